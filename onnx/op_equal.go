package onnx

import "github.com/repvit-go/repvit/graph"

var equalOperator = operator{
	encode: encodes(plain[graph.Equal]),
	decode: decoders{"Equal": broadcasting(graph.Equal{})},
}
