package onnx

import "github.com/repvit-go/repvit/graph"

var matMulOperator = operator{
	encode: encodes(plainFloats[graph.MatMul]),
	decode: decoders{"MatMul": simple(graph.MatMul{}, 2)},
}
