package onnx

import "github.com/repvit-go/repvit/graph"

var addOperator = operator{
	encode: encodes(arithmetic[graph.Add]),
	decode: decoders{"Add": broadcasting(graph.Add{})},
}
