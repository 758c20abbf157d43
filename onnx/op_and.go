package onnx

import "github.com/repvit-go/repvit/graph"

var andOperator = operator{
	encode: encodes(plain[graph.And]),
	decode: decoders{"And": broadcasting(graph.And{})},
}
