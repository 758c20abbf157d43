package onnx

import "github.com/repvit-go/repvit/graph"

var maxOperator = operator{
	encode: encodes(plain[graph.Max]),
	decode: decoders{"Max": chain(graph.Max{})},
}
