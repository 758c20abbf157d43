package onnx

import "github.com/repvit-go/repvit/graph"

var sigmoidOperator = operator{
	encode: encodes(plain[graph.Sigmoid]),
	decode: decoders{"Sigmoid": simple(graph.Sigmoid{}, 1)},
}
