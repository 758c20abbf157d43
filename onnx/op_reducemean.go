package onnx

import (
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var reduceMeanOperator = operator{
	encode: encodes((*encoder).reduceMean),
	decode: decoders{"ReduceMean": (*decoder).reduceMean},
}

// reduceOpset is the first opset in which the axes are an operand.
const reduceOpset = 18

func (e *encoder) reduceMean(n *graph.Node, op graph.ReduceMean) error {
	if err := e.floats(n); err != nil {
		return err
	}
	keep := 0
	if op.KeepDims {
		keep = 1
	}
	if e.opset < reduceOpset {
		e.write(n, ints("axes", op.Axes...), integer("keepdims", keep))
		return nil
	}
	e.emit("ReduceMean", n.Name(), append(e.operands(n), e.numbers("axes", op.Axes)), integer("keepdims", keep))
	return nil
}

// reduceMean is GlobalAveragePool over the last two axes of four, with Flatten behind it where
// the axes are not kept.
func (d *decoder) reduceMean(n *node) error {
	keep, err := n.integer("keepdims", 1)
	if err != nil {
		return err
	}
	nothing, err := n.integer("noop_with_empty_axes", 0)
	if err != nil {
		return err
	}
	var axes []int64
	if d.opset < reduceOpset {
		a, err := n.take("axes", kindInts)
		if err != nil {
			return err
		}
		if a != nil {
			axes = a.list
		}
	} else if len(n.in) > 1 && n.in[1] != "" {
		if axes, err = d.numbers(n, 1); err != nil {
			return err
		}
	}
	if len(axes) == 0 && nothing != 0 {
		return fmt.Errorf("%w: found no axes and noop_with_empty_axes = %d", ErrUnsupported, nothing)
	}
	n.in = n.in[:min(len(n.in), 1)]
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	rank, err := d.rank(in[0])
	if err != nil {
		return err
	}
	op := graph.ReduceMean{KeepDims: keep != 0}
	for _, a := range axes {
		k, err := axis(a, rank)
		if err != nil {
			return err
		}
		op.Axes = append(op.Axes, k-rank)
	}
	for a := -rank; a < 0 && len(axes) == 0; a++ {
		op.Axes = append(op.Axes, a)
	}
	slices.Sort(op.Axes)
	switch pooled := rank == 4 && slices.Equal(op.Axes, []int{-2, -1}); {
	case pooled && keep != 0:
		d.values[n.out] = d.g.Add(n.out, graph.GlobalAveragePool{}, in...)
	case pooled:
		pool := d.g.Add(unique(d.taken, n.out+".pool"), graph.GlobalAveragePool{}, in...)
		d.values[n.out] = d.g.Add(n.out, graph.Flatten{}, pool)
	default:
		d.values[n.out] = d.g.Add(n.out, op, in...)
	}
	return nil
}
