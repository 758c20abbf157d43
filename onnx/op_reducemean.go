package onnx

import (
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var reduceMeanOperator = operator{
	encode: encodes(func(e *encoder, n *graph.Node, op graph.ReduceMean) error { return e.reduce(n, graph.Reduction(op)) }),
	decode: decoders{"ReduceMean": (*decoder).reduceMean},
}

// reduceMean is GlobalAveragePool over the last two axes of four, with Flatten behind it where
// the axes are not kept.
func (d *decoder) reduceMean(n *node) error {
	x, op, err := d.reduction(n)
	if err != nil {
		return err
	}
	rank, err := d.rank(x)
	if err != nil {
		return err
	}
	switch pooled := rank == 4 && slices.Equal(op.Axes, []int{-2, -1}); {
	case pooled && op.KeepDims:
		d.values[n.out] = d.g.Add(n.out, graph.GlobalAveragePool{}, x)
	case pooled:
		d.values[n.out] = d.g.Add(n.out, graph.Flatten{}, d.step(n, ".pool", graph.GlobalAveragePool{}, x))
	default:
		d.values[n.out] = d.g.Add(n.out, graph.ReduceMean(op), x)
	}
	return nil
}
