package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

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
	if perm == nil {
		return fmt.Errorf("%w: found no attribute perm, expected one", ErrUnsupported)
	}
	return d.add(n, graph.Transpose{Perm: perm}, 1, 1)
}
