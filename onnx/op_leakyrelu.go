package onnx

import "github.com/repvit-go/repvit/graph"

var leakyReluOperator = operator{
	encode: encodes((*encoder).leakyRelu),
	decode: decoders{"LeakyRelu": (*decoder).leakyRelu},
}

func (e *encoder) leakyRelu(n *graph.Node, op graph.LeakyRelu) error {
	if err := e.floats(n); err != nil {
		return err
	}
	e.write(n, float("alpha", op.Alpha))
	return nil
}

func (d *decoder) leakyRelu(n *node) error {
	alpha, err := n.real("alpha", 0.01)
	if err != nil {
		return err
	}
	return d.add(n, graph.LeakyRelu{Alpha: alpha}, 1, 1)
}
