package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

var gatherNDOperator = operator{
	encode: encodes(func(e *encoder, n *graph.Node, op graph.GatherND) error {
		e.write(n, integer("batch_dims", op.BatchDims)) // since opset 12
		return nil
	}),
	decode: decoders{"GatherND": func(d *decoder, n *node) error {
		dims, err := n.integer("batch_dims", 0)
		if err == nil && dims != 1 {
			err = fmt.Errorf("%w: found attribute batch_dims = %d, expected 1", ErrUnsupported, dims)
		}
		if err != nil {
			return err
		}
		return d.add(n, graph.GatherND{BatchDims: 1}, 2, 2)
	}},
}
