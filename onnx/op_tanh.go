package onnx

import "github.com/repvit-go/repvit/graph"

var tanhOperator = operator{
	encode: encodes(plainFloats[graph.Tanh]),
	decode: decoders{"Tanh": simple(graph.Tanh{}, 1)},
}
