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

// flatten makes two axes, those before the attribute's and those from it on.
func (d *decoder) flatten(n *node) error {
	a, err := n.integer("axis", 1)
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
	if a < 0 {
		a += int64(rank)
	}
	if a != 1 {
		return fmt.Errorf("%w: found axis = %d, expected 1", ErrUnsupported, a)
	}
	return d.add(n, graph.Flatten{}, 1, 1)
}

// reshape is Flatten where the shape wanted is N×(C·H·W), or nothing where it is the
// operand's.
func (d *decoder) reshape(n *node) error {
	if err := n.want("allowzero", 0, 0); err != nil {
		return err
	}
	if len(n.in) != 2 {
		return fmt.Errorf("%w: found %d operands, expected 2", ErrFormat, len(n.in))
	}
	wanted, ok := d.sizesOf(n.in[1])
	if !ok || wanted.scalar {
		return fmt.Errorf("%w: operand %q is not a constant list of integers", ErrUnsupported, n.in[1])
	}
	n.in = n.in[:1]
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	t, err := d.typeOf(in[0])
	if err != nil {
		return err
	}
	if fits(wanted.dims(), t.Shape, t.Shape) {
		d.values[n.out] = in[0]
		return nil
	}
	flat := graph.Shape{}
	if len(t.Shape) == 2 || len(t.Shape) == 4 {
		y := d.g.Add(n.out, graph.Flatten{}, in[0])
		d.values[n.out] = y
		f, err := d.typeOf(y)
		if err != nil {
			return err
		}
		flat = f.Shape
	}
	if !fits(wanted.dims(), t.Shape, flat) {
		return fmt.Errorf("%w: found shape %v of an operand %v, expected %v", ErrUnsupported, wanted.dims(), t.Shape, flat)
	}
	return nil
}

// fits reports whether an operand of a shape in gets the shape out where a Reshape wants those
// sizes: 0 is the operand's size of the same axis, and one −1 whatever is left.
func fits(wanted, in, out graph.Shape) bool {
	if len(wanted) != len(out) {
		return false
	}
	free := 0
	for i, size := range wanted {
		switch {
		case size == graph.Fixed(-1):
			free++
		case size == graph.Fixed(0):
			if i >= len(in) || in[i] != out[i] || i > 0 && out[i] == (graph.Dim{Div: 1}) {
				return false
			}
		case size != out[i] || size == (graph.Dim{Div: 1}):
			return false
		}
	}
	return free <= 1
}

// squeeze is Flatten where it removes the spatial axes.
func (d *decoder) squeeze(n *node) error {
	axes, err := d.axes(n, 1)
	if err != nil {
		return err
	}
	if !spatial(axes) {
		return fmt.Errorf("%w: found axes %v, expected [2 3]", ErrUnsupported, axes)
	}
	n.in = n.in[:1]
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	t, err := d.typeOf(in[0])
	if err != nil {
		return err
	}
	if s := t.Shape; len(s) != 4 || s[2] != graph.Fixed(1) || s[3] != graph.Fixed(1) {
		return fmt.Errorf("%w: found an operand of shape %v, expected N×C×1×1", ErrUnsupported, s)
	}
	return d.add(n, graph.Flatten{}, 1, 1)
}
