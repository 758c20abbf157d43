package onnx

import "github.com/repvit-go/repvit/graph"

var meanOperator = operator{
	encode:  encodes(plainFloats[graph.Mean]),
	decode:  decoders{"Mean": simple(graph.Mean{}, -1)},
	pattern: (*decoder).halvedSum,
}

// halvedSum matches (a + b)/2 and (a + b)·½, which is how PyTorch code averages two heads.
func (d *decoder) halvedSum(root *node) bool {
	if len(root.in) != 2 || len(root.attributes) != 0 {
		return false
	}
	sum := ""
	switch a, b := root.in[0], root.in[1]; {
	case root.op == "Div" && d.scalar(b, 2), root.op == "Mul" && d.scalar(b, 0.5):
		sum = a
	case root.op == "Mul" && d.scalar(a, 0.5):
		sum = b
	default:
		return false
	}
	add := d.private(root, sum, "Add")
	if add == nil || len(add.in) != 2 || d.tensors[add.in[0]] != nil || d.tensors[add.in[1]] != nil {
		return false
	}
	d.replace(root, "Mean", add.in, []*node{add})
	return true
}
