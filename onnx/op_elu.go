package onnx

import "github.com/repvit-go/repvit/graph"

var eluOperator = operator{
	encode: encodes((*encoder).elu),
	decode: decoders{"Elu": (*decoder).elu},
}

func (e *encoder) elu(n *graph.Node, op graph.Elu) error {
	if err := e.floats(n); err != nil {
		return err
	}
	e.write(n, float("alpha", op.Alpha))
	return nil
}

func (d *decoder) elu(n *node) error {
	alpha, err := n.real("alpha", 1)
	if err != nil {
		return err
	}
	return d.add(n, graph.Elu{Alpha: alpha}, 1, 1)
}
