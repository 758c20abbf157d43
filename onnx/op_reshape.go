package onnx

import (
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var reshapeOperator = operator{
	encode: encodes((*encoder).reshape),
	decode: decoders{
		"Reshape":   (*decoder).reshape,
		"Squeeze":   (*decoder).squeeze,
		"Unsqueeze": (*decoder).unsqueeze,
	},
}

func (e *encoder) reshape(n *graph.Node, op graph.Reshape) error {
	in := e.operands(n)
	if !slices.ContainsFunc(op.Shape, func(n int) bool { return n < -1 }) {
		e.emit("Reshape", n.Name(), append(in, e.numbers("shape", op.Shape)))
		return nil
	}
	// Sizes of other axes are parts of the operand's shape.
	sizes := e.stepOf(n, listType(len(e.types[n.Inputs[0]].Shape)), "Shape", ".sizes", in)
	var parts []string
	for i, size := range op.Shape {
		part := ""
		if k := op.Source(i); size < -1 {
			part = e.part(n, sizes, ".size", k, k+1)
		} else {
			part = e.numbers("shape", []int{size})
		}
		parts = append(parts, part)
	}
	e.emit("Reshape", n.Name(), append(in, e.stepOf(n, listType(len(parts)), "Concat", ".shape", parts, integer("axis", 0))))
	return nil
}

// listType is the type of so many sizes.
func listType(n int) graph.Type {
	return graph.Type{DType: graph.Int64, Shape: graph.FixedShape(n)}
}

// part writes a Slice of a list of sizes.
func (e *encoder) part(n *graph.Node, list, suffix string, from, to int) string {
	return e.stepOf(n, listType(to-from), "Slice", suffix, []string{list, e.numbers("from", []int{from}), e.numbers("to", []int{to}), e.numbers("axes", []int{0})})
}

// reshape reads the shape wanted, which is constant or made of the sizes of values.
func (d *decoder) reshape(n *node) error {
	zeros, err := n.integer("allowzero", 0)
	if err != nil {
		return err
	}
	if len(n.in) != 2 {
		return fmt.Errorf("%w: found %d operands, expected 2", ErrFormat, len(n.in))
	}
	wanted, ok := d.sizesOf(n.in[1])
	if !ok || !wanted.isList() {
		return fmt.Errorf("%w: operand %q is not a constant list of integers", ErrUnsupported, n.in[1])
	}
	if zeros != 0 && slices.Contains(wanted.dims(), graph.Fixed(0)) {
		return fmt.Errorf("%w: found attribute allowzero = %d and a shape %v", ErrUnsupported, zeros, wanted.dims())
	}
	n.in = n.in[:1]
	return d.reshaped(n, wanted)
}

// squeeze removes axes of size 1.
func (d *decoder) squeeze(n *node) error {
	axes, x, err := d.unit(n)
	if err != nil {
		return err
	}
	s := make([]bool, len(x.v)) // which are removed
	for _, a := range axes {
		k, err := axis(a, len(s))
		if err != nil {
			return err
		}
		if s[k] = true; x.v[k].dim != graph.Fixed(1) {
			return fmt.Errorf("%w: found axes %v of an operand %v, expected axes of size 1", ErrUnsupported, axes, x.dims())
		}
	}
	var wanted sizes
	for i, v := range x.v {
		if axes == nil && !v.dim.Known() {
			return fmt.Errorf("%w: found no axes and an operand %v, expected sizes that are known", ErrUnsupported, x.dims())
		}
		if !s[i] && (axes != nil || v.dim != graph.Fixed(1)) {
			wanted.v = append(wanted.v, v)
		}
	}
	return d.reshaped(n, wanted)
}

// unsqueeze adds axes of size 1.
func (d *decoder) unsqueeze(n *node) error {
	axes, x, err := d.unit(n)
	if err != nil {
		return err
	}
	if len(axes)+len(x.v) > maxAxes {
		return fmt.Errorf("%w: %d axes, expected at most %d", graph.ErrTooLarge, len(axes)+len(x.v), maxAxes)
	}
	wanted := sizes{v: make([]size, len(axes)+len(x.v))}
	for _, a := range axes {
		k, err := axis(a, len(wanted.v))
		if err != nil {
			return err
		}
		if wanted.v[k] == one {
			return fmt.Errorf("%w: found axes %v, expected each once", ErrFormat, axes)
		}
		wanted.v[k] = one
	}
	for i, v := range wanted.v {
		if v != one {
			wanted.v[i], x.v = x.v[0], x.v[1:]
		}
	}
	return d.reshaped(n, wanted)
}

// one is the size of an axis that is added.
var one = size{dim: graph.Fixed(1)}

// unit returns the axes that Squeeze and Unsqueeze name and the sizes of their operand.
func (d *decoder) unit(n *node) ([]int64, sizes, error) {
	axes, err := d.axes(n, 1)
	if err != nil {
		return nil, sizes{}, err
	}
	n.in = n.in[:min(len(n.in), 1)]
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return nil, sizes{}, err
	}
	t, err := d.typeOf(in[0])
	return axes, sizesOfAxes(in[0], t.Shape), err
}

// reshaped gives the node's only operand the shape wanted. That is nothing where it has it, and
// Flatten where that does the same. Of sizes that are not known, one may be none of the
// operand's: it is what the others leave.
func (d *decoder) reshaped(n *node, wanted sizes) error {
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
	if rank := len(t.Shape); rank == 2 || rank == 4 {
		flat := &graph.Node{Op: graph.Flatten{}, Inputs: in, Output: &graph.Value{}}
		if err := flat.Infer(d.types); err != nil {
			return invalid(err)
		}
		if fits(wanted.dims(), t.Shape, d.types[flat.Output].Shape) {
			return d.add(n, graph.Flatten{}, 1, 1)
		}
	}
	op := graph.Reshape{Shape: make([]int, len(wanted.v))}
	taken := make([]bool, len(t.Shape))
	for i, v := range wanted.v {
		axis := -1 // of the operand
		if v.of == in[0] {
			axis = v.axis
		} else if v.dim.Sym != "" {
			axis = slices.IndexFunc(t.Shape, func(d graph.Dim) bool { return d == v.dim })
		}
		switch {
		case v.dim.Known():
			op.Shape[i] = v.dim.Size
		case axis >= 0 && !taken[axis]:
			if taken[axis] = true; axis != i {
				op.Shape[i] = -2 - axis
			}
		case slices.Contains(wanted.dims(), graph.Fixed(-1)) || slices.Contains(op.Shape, -1):
			return fmt.Errorf("%w: found shape %v of an operand %v, expected one size that is not known", ErrUnsupported, wanted.dims(), t.Shape)
		default:
			op.Shape[i] = -1
		}
	}
	return d.add(n, op, 1, 1)
}

// reshapedTo makes the node's value of another one, by giving that the sizes wanted.
func (d *decoder) reshapedTo(n *node, x *graph.Value, wanted []size) error {
	d.values[x.Name] = x
	n.in = []string{x.Name}
	return d.reshaped(n, sizes{v: wanted})
}

// reshapedStep is reshapedTo for a value that the node is made of.
func (d *decoder) reshapedStep(n *node, suffix string, x *graph.Value, wanted []size) (*graph.Value, error) {
	part := &node{out: unique(d.taken, n.out+suffix)}
	err := d.reshapedTo(part, x, wanted)
	return d.values[part.out], err
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
