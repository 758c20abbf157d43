package onnx

import "github.com/repvit-go/repvit/graph"

var logOperator = operator{
	encode: encodes(plainFloats[graph.Log]),
	decode: decoders{"Log": simple(graph.Log{}, 1)},
}
