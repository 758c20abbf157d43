package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

var flattenOperator = operator{
	encode: encodes((*encoder).flatten),
	decode: decoders{"Flatten": (*decoder).flatten},
}

func (e *encoder) flatten(n *graph.Node, _ graph.Flatten) error {
	e.write(n, integer("axis", 1))
	return nil
}

// flatten makes two axes, those before the attribute's and those from it on.
func (d *decoder) flatten(n *node) error {
	a, err := n.integer("axis", 1)
	if err != nil {
		return err
	}
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	t, err := d.typeOf(in[0])
	if err != nil {
		return err
	}
	rank := len(t.Shape)
	if a < -int64(rank) || a > int64(rank) {
		return fmt.Errorf("%w: found axis = %d of an operand %v", ErrFormat, a, t.Shape)
	}
	if a < 0 {
		a += int64(rank)
	}
	if a == 1 && (rank == 2 || rank == 4) {
		d.values[n.out] = d.g.Add(n.out, graph.Flatten{}, in[0])
		return nil
	}
	op := graph.Reshape{Shape: []int{-1, -1}}
	for i, s := range []graph.Shape{t.Shape[:a], t.Shape[a:]} {
		if dims, known := s.Ints(); known {
			n, err := graph.Numel(dims)
			if err != nil {
				return invalid(err)
			}
			op.Shape[i], op.Shape[1-i] = n, -1
			break
		}
	}
	if op.Shape[0] == -1 && a == 1 {
		op.Shape[0] = 0
	}
	if op.Shape[0] == -1 && op.Shape[1] == -1 {
		return fmt.Errorf("%w: found axis = %d of an operand %v, expected sizes that are known before or behind it", ErrUnsupported, a, t.Shape)
	}
	d.values[n.out] = d.g.Add(n.out, op, in[0])
	return nil
}
