package onnx

import "github.com/repvit-go/repvit/graph"

var erfOperator = operator{
	encode: encodes(plainFloats[graph.Erf]),
	decode: decoders{"Erf": simple(graph.Erf{}, 1)},
}
