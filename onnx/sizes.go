package onnx

import (
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// Exporters compute the operand of a Reshape from the sizes of other values: Shape, then
// Gather, Unsqueeze and Concat. All sizes of a graph are known, as numbers or as symbols, when
// a node is read; so these nodes are computed here and leave no trace.

// sizes are the elements of a value of integers, which has one axis or none.
type sizes struct {
	v      []size
	scalar bool
}

// size is a number that may be the size of a value's axis.
type size struct {
	dim  graph.Dim
	of   *graph.Value // nil where it is not
	axis int
}

// sizesOfAxes returns those of a value with a shape.
func sizesOfAxes(v *graph.Value, shape graph.Shape) sizes {
	s := sizes{v: make([]size, len(shape))}
	for i, d := range shape {
		s.v[i] = size{d, v, i}
	}
	return s
}

// dims returns the sizes alone.
func (s sizes) dims() graph.Shape {
	d := make(graph.Shape, len(s.v))
	for i, v := range s.v {
		d[i] = v.dim
	}
	return d
}

// sizeOperators compute sizes from sizes.
var sizeOperators = map[string]func(*decoder, *node, []sizes) (sizes, error){
	"Cast":   (*decoder).castSizes,
	"Concat": (*decoder).concatSizes,
	"Gather": (*decoder).gatherSizes,
	"Slice":  (*decoder).sliceSizes,
	"Add":    arithmeticSizes(func(a, b int64) int64 { return a + b }),
	"Sub":    arithmeticSizes(func(a, b int64) int64 { return a - b }),
	"Mul":    arithmeticSizes(func(a, b int64) int64 { return a * b }),
	"Div": arithmeticSizes(func(a, b int64) int64 {
		if b == 0 {
			return 0
		}
		return a / b
	}),
	"Squeeze":   func(d *decoder, n *node, in []sizes) (sizes, error) { return d.reshapeSizes(n, in, true) },
	"Unsqueeze": func(d *decoder, n *node, in []sizes) (sizes, error) { return d.reshapeSizes(n, in, false) },
}

// sized computes a node whose result are sizes, and reports whether it is one.
func (d *decoder) sized(n *node) (bool, error) {
	if n.op == "Shape" {
		return true, d.shape(n)
	}
	f := sizeOperators[n.op]
	if f == nil || len(n.in) == 0 {
		return false, nil
	}
	operands := n.in
	if n.op == "Slice" {
		operands = operands[:1] // the others are read as those of any Slice
	}
	in, found := make([]sizes, len(operands)), false
	for i, name := range operands {
		s, ok := d.sizesOf(name)
		if !ok {
			return false, nil
		}
		_, computed := d.sizes[name]
		in[i], found = s, found || computed
	}
	if !found {
		return false, nil
	}
	s, err := f(d, n, in)
	if err == nil && len(s.v) > maxAxes {
		err = fmt.Errorf("%w: a list of %d sizes, expected at most %d", graph.ErrTooLarge, len(s.v), maxAxes)
	}
	d.sizes[n.out] = s
	return true, err
}

// sizesOf returns sizes that were computed, or a constant of integers.
func (d *decoder) sizesOf(name string) (sizes, bool) {
	if s, ok := d.sizes[name]; ok {
		return s, true
	}
	t := d.tensors[name]
	if t == nil || t.DType != graph.Int64 || len(t.Shape) > 1 || t.Len() > maxAxes {
		return sizes{}, false
	}
	s := sizes{scalar: len(t.Shape) == 0}
	for _, v := range t.Int64s() {
		if v < -graph.MaxElements || v > graph.MaxElements {
			return sizes{}, false
		}
		s.v = append(s.v, size{dim: graph.Fixed(int(v))})
	}
	return s, true
}

// shape is the node Shape. It may name a part of the axes.
func (d *decoder) shape(n *node) error {
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	t, err := d.typeOf(in[0])
	if err != nil {
		return err
	}
	bound := func(name string, missing int) (int, error) {
		v, err := n.integer(name, int64(missing))
		if v < 0 {
			v += int64(len(t.Shape))
		}
		return int(min(max(v, 0), int64(len(t.Shape)))), err
	}
	from, err := bound("start", 0)
	if err != nil {
		return err
	}
	to, err := bound("end", len(t.Shape))
	if err != nil {
		return err
	}
	d.sizes[n.out] = sizes{v: sizesOfAxes(in[0], t.Shape).v[from:max(from, to)]}
	return nil
}

func (d *decoder) castSizes(n *node, in []sizes) (sizes, error) {
	return in[0], n.want("to", 0, int64(dataTypes[graph.Int64]))
}

func (d *decoder) concatSizes(n *node, in []sizes) (all sizes, err error) {
	for _, s := range in {
		all.v = append(all.v, s.v...)
	}
	return all, n.want("axis", 0, 0, -1)
}

func (d *decoder) gatherSizes(n *node, in []sizes) (s sizes, err error) {
	if err := n.want("axis", 0, 0, -1); err != nil {
		return s, err
	}
	if len(in) != 2 {
		return s, fmt.Errorf("%w: found %d operands, expected 2", ErrFormat, len(in))
	}
	s.scalar = in[1].scalar
	for _, i := range in[1].v {
		if !i.dim.Known() {
			return s, fmt.Errorf("%w: an index that is not constant", ErrUnsupported)
		}
		k, err := axis(int64(i.dim.Size), len(in[0].v))
		if err != nil {
			return s, err
		}
		s.v = append(s.v, in[0].v[k])
	}
	return s, nil
}

// sliceSizes takes a part of a list.
func (d *decoder) sliceSizes(n *node, in []sizes) (s sizes, err error) {
	op, err := d.slicing(n, len(in[0].v))
	if err != nil {
		return s, err
	}
	for k, axis := range op.Axes {
		if axis != 0 || in[0].scalar || len(op.Axes) > 1 {
			return s, fmt.Errorf("%w: found axes %v of sizes, expected [0]", ErrUnsupported, op.Axes)
		}
		first, count, step := op.Range(k, len(in[0].v))
		for i := range count {
			s.v = append(s.v, in[0].v[first+i*step])
		}
	}
	return s, nil
}

// arithmeticSizes computes with two lists, or with a list and a size. What comes of sizes that
// are not known is not known.
func arithmeticSizes(f func(a, b int64) int64) func(*decoder, *node, []sizes) (sizes, error) {
	return func(_ *decoder, _ *node, in []sizes) (s sizes, err error) {
		if len(in) != 2 {
			return s, fmt.Errorf("%w: found %d operands, expected 2", ErrFormat, len(in))
		}
		a, b := in[0].v, in[1].v
		n := max(len(a), len(b))
		if n > 1 && len(a) == 1 {
			a = slices.Repeat(a, n)
		}
		if n > 1 && len(b) == 1 {
			b = slices.Repeat(b, n)
		}
		if len(a) != len(b) {
			return s, fmt.Errorf("%w: found lists of %d and %d sizes", ErrFormat, len(a), len(b))
		}
		s.scalar = in[0].scalar && in[1].scalar
		for i := range a {
			d := graph.Dim{Div: 1}
			if x, y := a[i].dim, b[i].dim; x.Known() && y.Known() {
				v := f(int64(x.Size), int64(y.Size))
				if v < -graph.MaxElements || v > graph.MaxElements {
					return s, fmt.Errorf("%w: a size of %d", graph.ErrTooLarge, v)
				}
				d = graph.Fixed(int(v))
			}
			s.v = append(s.v, size{dim: d})
		}
		return s, nil
	}
}

// reshapeSizes makes a list of one size from a size, or the other way round.
func (d *decoder) reshapeSizes(n *node, in []sizes, scalar bool) (sizes, error) {
	axes, err := d.axes(n, 1)
	if err != nil {
		return sizes{}, err
	}
	if len(axes) > 1 || len(axes) == 1 && axes[0] != 0 && axes[0] != -1 || in[0].scalar == scalar || len(in[0].v) != 1 {
		return sizes{}, fmt.Errorf("%w: found axes %v of sizes, expected [0] of one", ErrUnsupported, axes)
	}
	return sizes{in[0].v, scalar}, nil
}

// axesOpset is the first opset in which Squeeze and Unsqueeze have the axes as an operand.
const axesOpset = 13

// axes returns the axes that a node names in an attribute or, since an opset, an operand; nil
// where there are none.
func (d *decoder) axes(n *node, operand int) ([]int64, error) {
	if d.opset < axesOpset {
		a, err := n.take("axes", kindInts)
		if a == nil {
			return nil, err
		}
		return a.list, err
	}
	if len(n.in) <= operand {
		return nil, nil
	}
	return d.numbers(n, operand)
}
