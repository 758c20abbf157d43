package onnx

import "github.com/repvit-go/repvit/graph"

var lessOperator = operator{
	encode: encodes(plain[graph.Less]),
	decode: decoders{"Less": broadcasting(graph.Less{})},
}
