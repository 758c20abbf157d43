package onnx

import "github.com/repvit-go/repvit/graph"

var sinOperator = operator{
	encode: encodes(plainFloats[graph.Sin]),
	decode: decoders{"Sin": simple(graph.Sin{}, 1)},
}
