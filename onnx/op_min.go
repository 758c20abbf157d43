package onnx

import "github.com/repvit-go/repvit/graph"

var minOperator = operator{
	encode: encodes(plain[graph.Min]),
	decode: decoders{"Min": chain(graph.Min{})},
}
