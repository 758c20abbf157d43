package onnx

import "github.com/repvit-go/repvit/graph"

var reduceMinOperator = operator{
	encode: encodes(func(e *encoder, n *graph.Node, op graph.ReduceMin) error { return e.reduce(n, graph.Reduction(op)) }),
	decode: decoders{"ReduceMin": reducing(func(op graph.Reduction) graph.Op { return graph.ReduceMin(op) })},
}
