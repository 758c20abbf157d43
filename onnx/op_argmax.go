package onnx

import "github.com/repvit-go/repvit/graph"

var argMaxOperator = operator{
	encode: encodes((*encoder).argMax),
	decode: decoders{"ArgMax": (*decoder).argMax, "ArgMin": (*decoder).argMax},
}

func (e *encoder) argMax(n *graph.Node, op graph.ArgMax) error {
	attributes := [][]byte{integer("axis", op.Axis), integer("keepdims", truth(op.KeepDims))}
	if op.SelectLastIndex {
		attributes = append(attributes, integer("select_last_index", 1))
	}
	e.write(n, attributes...)
	return nil
}

// argMax reads ArgMax, and ArgMin as that of −x.
func (d *decoder) argMax(n *node) error {
	a, err := n.integer("axis", 0)
	if err != nil {
		return err
	}
	keep, err := n.integer("keepdims", 1)
	if err != nil {
		return err
	}
	last, err := n.integer("select_last_index", 0)
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
	k, err := axis(a, rank)
	if err != nil {
		return err
	}
	x := in[0]
	if n.op == "ArgMin" {
		x = d.step(n, ".negative", graph.Neg{}, x)
	}
	d.values[n.out] = d.g.Add(n.out, graph.ArgMax{Axis: k - rank, KeepDims: keep != 0, SelectLastIndex: last != 0}, x)
	return nil
}
