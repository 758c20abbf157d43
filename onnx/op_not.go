package onnx

import "github.com/repvit-go/repvit/graph"

var notOperator = operator{
	encode: encodes(plain[graph.Not]),
	decode: decoders{"Not": simple(graph.Not{}, 1)},
}
