package onnx

import "github.com/repvit-go/repvit/graph"

var reduceSumOperator = operator{
	encode: encodes(func(e *encoder, n *graph.Node, op graph.ReduceSum) error { return e.reduce(n, graph.Reduction(op)) }),
	decode: decoders{"ReduceSum": reducing(func(op graph.Reduction) graph.Op { return graph.ReduceSum(op) })},
}
