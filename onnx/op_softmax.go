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
	axis, err := n.integer("axis", -1)
	if err != nil {
		return err
	}
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	rank, err := d.rank(in[0])
	if err != nil {
		return err
	}
	if axis < -int64(rank) || axis >= int64(rank) {
		return fmt.Errorf("%w: found attribute axis = %d for %d axes", ErrFormat, axis, rank)
	}
	if axis >= 0 {
		axis -= int64(rank)
	}
	if axis == -1 {
		axis = 0
	}
	return d.add(n, graph.Softmax{Axis: int(axis)}, 1, 1)
}
