package onnx

import "github.com/repvit-go/repvit/graph"

var reduceMaxOperator = operator{
	encode: encodes(func(e *encoder, n *graph.Node, op graph.ReduceMax) error { return e.reduce(n, graph.Reduction(op)) }),
	decode: decoders{"ReduceMax": reducing(func(op graph.Reduction) graph.Op { return graph.ReduceMax(op) })},
}
