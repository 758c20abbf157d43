package onnx

import "github.com/repvit-go/repvit/graph"

var greaterOperator = operator{
	encode: encodes(plain[graph.Greater]),
	decode: decoders{"Greater": broadcasting(graph.Greater{})},
}
