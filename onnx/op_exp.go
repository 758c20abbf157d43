package onnx

import "github.com/repvit-go/repvit/graph"

var expOperator = operator{
	encode: encodes(plainFloats[graph.Exp]),
	decode: decoders{"Exp": simple(graph.Exp{}, 1)},
}
