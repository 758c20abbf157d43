package onnx

import "github.com/repvit-go/repvit/graph"

var orOperator = operator{
	encode: encodes(plain[graph.Or]),
	decode: decoders{"Or": broadcasting(graph.Or{})},
}
