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
	if err := d.add(n, graph.Softmax{}, 1, 1); err != nil {
		return err
	}
	made := d.g.Nodes[len(d.g.Nodes)-1]
	d.check(n, func(types map[*graph.Value]graph.Type) error {
		rank := int64(len(types[made.Output].Shape))
		if axis < -rank || axis >= rank {
			return fmt.Errorf("%w: found attribute axis = %d for %d axes", ErrFormat, axis, rank)
		}
		if axis >= 0 {
			axis -= rank
		}
		if axis != -1 {
			made.Op = graph.Softmax{Axis: int(axis)}
		}
		return nil
	})
	return nil
}
