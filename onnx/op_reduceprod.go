package onnx

import "github.com/repvit-go/repvit/graph"

var reduceProdOperator = operator{
	encode: encodes(func(e *encoder, n *graph.Node, op graph.ReduceProd) error { return e.reduce(n, graph.Reduction(op)) }),
	decode: decoders{"ReduceProd": reducing(func(op graph.Reduction) graph.Op { return graph.ReduceProd(op) })},
}
