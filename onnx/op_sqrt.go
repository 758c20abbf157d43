package onnx

import "github.com/repvit-go/repvit/graph"

var sqrtOperator = operator{
	encode: encodes(plainFloats[graph.Sqrt]),
	decode: decoders{"Sqrt": simple(graph.Sqrt{}, 1)},
}
