package onnx

import "github.com/repvit-go/repvit/graph"

var hardSigmoidOperator = operator{
	encode: encodes((*encoder).hardSigmoid),
	decode: decoders{"HardSigmoid": (*decoder).hardSigmoid},
}

func (e *encoder) hardSigmoid(n *graph.Node, op graph.HardSigmoid) error {
	if err := e.floats(n); err != nil {
		return err
	}
	e.write(n, float("alpha", op.Alpha), float("beta", op.Beta))
	return nil
}

func (d *decoder) hardSigmoid(n *node) error {
	op, err := n.hardSigmoid()
	if err != nil {
		return err
	}
	return d.add(n, op, 1, 1)
}

// hardSigmoid takes the attributes of a node.
func (n *node) hardSigmoid() (op graph.HardSigmoid, err error) {
	if op.Alpha, err = n.real("alpha", 0.2); err != nil {
		return op, err
	}
	if float32(op.Alpha) == 1./6 { // which has no short decimal form
		op.Alpha = 1. / 6
	}
	op.Beta, err = n.real("beta", 0.5)
	return op, err
}
