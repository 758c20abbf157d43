package onnx

import "github.com/repvit-go/repvit/graph"

var transposeOperator = operator{
	encode: encodes((*encoder).transpose),
	decode: decoders{"Transpose": (*decoder).transpose},
}

func (e *encoder) transpose(n *graph.Node, op graph.Transpose) error {
	e.write(n, ints("perm", op.Perm...))
	return nil
}

func (d *decoder) transpose(n *node) error {
	perm, err := n.list("perm")
	if err != nil {
		return err
	}
	if perm == nil { // the axes backwards
		in, err := d.operands(n, 1, 1)
		if err != nil {
			return err
		}
		rank, err := d.rank(in[0])
		if err != nil {
			return err
		}
		for a := rank - 1; a >= 0; a-- {
			perm = append(perm, a)
		}
	}
	return d.add(n, graph.Transpose{Perm: perm}, 1, 1)
}
