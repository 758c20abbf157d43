package onnx

import "github.com/repvit-go/repvit/graph"

var subOperator = operator{
	encode: encodes(arithmetic[graph.Sub]),
	decode: decoders{"Sub": broadcasting(graph.Sub{})},
}
