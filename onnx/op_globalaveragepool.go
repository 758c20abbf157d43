package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

var globalAveragePoolOperator = operator{
	encode: encodes(plainFloats[graph.GlobalAveragePool]),
	decode: decoders{
		"GlobalAveragePool": simple(graph.GlobalAveragePool{}, 1),
		"ReduceMean":        (*decoder).reduceMean,
	},
}

// reduceMean is GlobalAveragePool over the spatial axes, with Flatten behind it where the
// axes are not kept.
func (d *decoder) reduceMean(n *node) error {
	keep, err := n.integer("keepdims", 1)
	if err != nil {
		return err
	}
	if err := n.want("noop_with_empty_axes", 0, 0, 1); err != nil {
		return err
	}
	var axes []int64
	if d.opset < 18 {
		a, err := n.take("axes", kindInts)
		if err != nil {
			return err
		}
		if a != nil {
			axes = a.list
		}
	} else if axes, err = d.numbers(n, 1); err != nil {
		return err
	} else {
		n.in = n.in[:1]
	}
	if !spatial(axes) {
		return fmt.Errorf("%w: found axes %v, expected [2 3]", ErrUnsupported, axes)
	}
	if keep != 0 {
		return d.add(n, graph.GlobalAveragePool{}, 1, 1)
	}
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	pool := d.g.Add(unique(d.taken, n.out+".pool"), graph.GlobalAveragePool{}, in...)
	d.values[n.out] = d.g.Add(n.out, graph.Flatten{}, pool)
	return nil
}
