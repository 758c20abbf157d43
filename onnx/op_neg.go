package onnx

import "github.com/repvit-go/repvit/graph"

var negOperator = operator{
	encode: encodes(plainFloats[graph.Neg]),
	decode: decoders{"Neg": simple(graph.Neg{}, 1)},
}
