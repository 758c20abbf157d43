package onnx

import "github.com/repvit-go/repvit/graph"

var absOperator = operator{
	encode: encodes(plainFloats[graph.Abs]),
	decode: decoders{"Abs": simple(graph.Abs{}, 1)},
}
