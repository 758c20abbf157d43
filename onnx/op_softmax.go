package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

var softmaxOperator = operator{
	encode: encodes((*encoder).softmax),
	decode: decoders{"Softmax": (*decoder).softmax},
}

func (e *encoder) softmax(n *graph.Node, op graph.Softmax) error {
	if err := e.floats(n); err != nil {
		return err
	}
	e.write(n, integer("axis", op.Of(0)))
	return nil
}

func (d *decoder) softmax(n *node) error {
	x, axis, err := d.softmaxAxis(n)
	if err != nil {
		return err
	}
	op := graph.Softmax{Axis: axis}
	if axis == -1 {
		op.Axis = 0
	}
	d.values[n.out] = d.g.Add(n.out, op, x)
	return nil
}

// softmaxAxis reads operand and axis, counted from the end. Before opset 13 it was the first of
// those that are taken as one.
func (d *decoder) softmaxAxis(n *node) (*graph.Value, int, error) {
	last := int64(-1)
	if d.opset < 13 {
		last = 1
	}
	a, err := n.integer("axis", last)
	if err != nil {
		return nil, 0, err
	}
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return nil, 0, err
	}
	t, err := d.typeOf(in[0])
	if err != nil {
		return nil, 0, err
	}
	rank := len(t.Shape)
	from, err := axis(a, rank)
	if err != nil {
		return nil, 0, err
	}
	if d.opset < 13 {
		for k := from; k < rank; k++ {
			if t.Shape[k] == graph.Fixed(1) {
				continue
			}
			// Axes of size 1 around the one make no difference.
			for _, d := range t.Shape[k+1:] {
				if d != graph.Fixed(1) {
					return nil, 0, fmt.Errorf("%w: found attribute axis = %d of an operand %v, expected the last axis", ErrUnsupported, a, t.Shape)
				}
			}
			from = k
			break
		}
	}
	return in[0], from - rank, nil
}
