package onnx

import "github.com/repvit-go/repvit/graph"

var castOperator = operator{
	encode: encodes((*encoder).cast),
	decode: decoders{"Cast": (*decoder).cast},
}

func (e *encoder) cast(n *graph.Node, op graph.Cast) error {
	e.write(n, integer("to", int(dataTypes[op.To])))
	return nil
}

func (d *decoder) cast(n *node) error {
	to, err := n.integer("to", 0)
	if err != nil {
		return err
	}
	if err := n.want("saturate", 1, 0, 1); err != nil { // of float8
		return err
	}
	if _, err := n.take("round_mode", kindString); err != nil { // of float8 too
		return err
	}
	t, err := dtype(to)
	if err != nil {
		return err
	}
	return d.add(n, graph.Cast{To: t}, 1, 1)
}
