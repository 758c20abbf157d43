package onnx

import "github.com/repvit-go/repvit/graph"

var signOperator = operator{
	encode: encodes(plainFloats[graph.Sign]),
	decode: decoders{"Sign": simple(graph.Sign{}, 1)},
}
