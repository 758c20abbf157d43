package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

var concatOperator = operator{
	encode: encodes((*encoder).concat),
	decode: decoders{"Concat": (*decoder).concat},
}

func (e *encoder) concat(n *graph.Node, op graph.Concat) error {
	e.write(n, integer("axis", op.Axis))
	return nil
}

func (d *decoder) concat(n *node) error {
	a, err := n.take("axis", kindInt)
	if err != nil {
		return err
	}
	if a == nil {
		return fmt.Errorf("%w: found no attribute axis", ErrFormat)
	}
	in, err := d.operands(n, 1, maxOperands)
	if err != nil {
		return err
	}
	rank, err := d.rank(in[0])
	if err != nil {
		return err
	}
	along, err := axis(a.i, rank)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, graph.Concat{Axis: along}, in...)
	return nil
}
