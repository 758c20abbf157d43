package onnx

import "github.com/repvit-go/repvit/graph"

var mulOperator = operator{
	encode: encodes(arithmetic[graph.Mul]),
	decode: decoders{"Mul": broadcasting(graph.Mul{})},
}
