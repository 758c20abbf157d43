package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

var flattenOperator = operator{
	encode: encodes((*encoder).flatten),
	decode: decoders{
		"Flatten": (*decoder).flatten,
		"Reshape": (*decoder).reshape,
		"Squeeze": (*decoder).squeeze,
	},
}

func (e *encoder) flatten(n *graph.Node, _ graph.Flatten) error {
	e.write(n, integer("axis", 1))
	return nil
}

func (d *decoder) flatten(n *node) error {
	if err := n.want("axis", 1, 1); err != nil {
		return err
	}
	return d.add(n, graph.Flatten{}, 1, 1)
}

// reshape is Flatten where the shape wanted is N×(C·H·W).
func (d *decoder) reshape(n *node) error {
	if err := n.want("allowzero", 0, 0); err != nil {
		return err
	}
	shape, err := d.numbers(n, 1)
	if err != nil {
		return err
	}
	if len(shape) != 2 || shape[0] < 0 && shape[1] < 0 || shape[0] < -1 || shape[1] < -1 {
		return fmt.Errorf("%w: found shape %v, expected two axes that flatten each image", ErrUnsupported, shape)
	}
	n.in = n.in[:1]
	if err := d.add(n, graph.Flatten{}, 1, 1); err != nil {
		return err
	}
	x, y := d.values[n.in[0]], d.values[n.out]
	d.check(n, func(types map[*graph.Value]graph.Type) error {
		in, out := types[x].Shape, types[y].Shape
		for i, size := range shape {
			ok := size == -1 || out[i].Known() && int64(out[i].Size) == size || size == 0 && in[i] == out[i]
			if !ok {
				return fmt.Errorf("%w: found shape %v, expected %v", ErrUnsupported, shape, out)
			}
		}
		return nil
	})
	return nil
}

// squeeze is Flatten where it removes the spatial axes.
func (d *decoder) squeeze(n *node) error {
	axes, err := d.numbers(n, 1)
	if err != nil {
		return err
	}
	if !spatial(axes) {
		return fmt.Errorf("%w: found axes %v, expected [2 3]", ErrUnsupported, axes)
	}
	n.in = n.in[:1]
	if err := d.add(n, graph.Flatten{}, 1, 1); err != nil {
		return err
	}
	x := d.values[n.in[0]]
	d.check(n, func(types map[*graph.Value]graph.Type) error {
		if s := types[x].Shape; len(s) != 4 || s[2] != graph.Fixed(1) || s[3] != graph.Fixed(1) {
			return fmt.Errorf("%w: found an operand of shape %v, expected N×C×1×1", ErrUnsupported, s)
		}
		return nil
	})
	return nil
}
