package onnx

import "github.com/repvit-go/repvit/graph"

var whereOperator = operator{
	encode: encodes(plain[graph.Where]),
	decode: decoders{"Where": simple(graph.Where{}, 3)},
}
