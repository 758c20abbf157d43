package onnx

import "github.com/repvit-go/repvit/graph"

var globalAveragePoolOperator = operator{
	encode: encodes(plainFloats[graph.GlobalAveragePool]),
	decode: decoders{"GlobalAveragePool": simple(graph.GlobalAveragePool{}, 1)},
}
