package onnx

import "github.com/repvit-go/repvit/graph"

var ceilOperator = operator{
	encode: encodes(plainFloats[graph.Ceil]),
	decode: decoders{"Ceil": simple(graph.Ceil{}, 1)},
}
