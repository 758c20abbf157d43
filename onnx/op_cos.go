package onnx

import "github.com/repvit-go/repvit/graph"

var cosOperator = operator{
	encode: encodes(plainFloats[graph.Cos]),
	decode: decoders{"Cos": simple(graph.Cos{}, 1)},
}
