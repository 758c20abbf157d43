package onnx

import "github.com/repvit-go/repvit/graph"

var softmaxOperator = operator{
	encode: encodes((*encoder).softmax),
	decode: decoders{"Softmax": (*decoder).softmax},
}

func (e *encoder) softmax(n *graph.Node, _ graph.Softmax) error {
	e.write(n, integer("axis", -1))
	return nil
}

func (d *decoder) softmax(n *node) error {
	// Package graph's Softmax takes N×C, whose last axis is 1.
	if err := n.want("axis", -1, -1, 1); err != nil {
		return err
	}
	return d.add(n, graph.Softmax{}, 1, 1)
}
