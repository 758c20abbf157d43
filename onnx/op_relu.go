package onnx

import "github.com/repvit-go/repvit/graph"

var reluOperator = operator{
	encode: encodes(plain[graph.Relu]),
	decode: decoders{"Relu": simple(graph.Relu{}, 1)},
}
