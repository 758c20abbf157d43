package onnx

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// Exporters compute the operand of a Reshape from the sizes of other values: Shape, then
// Gather, Unsqueeze and Concat. All sizes of a graph are known, as numbers or as symbols, when
// a node is read; so these nodes are computed here and leave no trace.

// sizes are the elements of a value of integers, or of truth values.
type sizes struct {
	v      []size
	shape  []int
	truths bool // 0 and 1
}

// maxSizes is how many they may be. PyTorch pads with two for each axis.
const maxSizes = 4 * maxAxes

// list is a value with one axis.
func list(v []size) sizes { return sizes{v: v, shape: []int{len(v)}} }

func (s sizes) isList() bool { return len(s.shape) == 1 }

// size is a number that may be the size of a value's axis.
type size struct {
	dim  graph.Dim
	of   *graph.Value // nil where it is not
	axis int
}

// sizesOfAxes returns those of a value with a shape.
func sizesOfAxes(v *graph.Value, shape graph.Shape) sizes {
	s := make([]size, len(shape))
	for i, d := range shape {
		s[i] = size{d, v, i}
	}
	return list(s)
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
	"Cast":      (*decoder).castSizes,
	"Concat":    (*decoder).concatSizes,
	"Gather":    (*decoder).gatherSizes,
	"Slice":     (*decoder).sliceSizes,
	"Transpose": (*decoder).transposeSizes,
	"Reshape":   (*decoder).shapeSizes,
	"Add":       arithmeticSizes('+'),
	"Sub":       arithmeticSizes('-'),
	"Mul":       arithmeticSizes('*'),
	"Div":       arithmeticSizes('/'),
	"Equal":     (*decoder).equalSizes,
	"Where":     (*decoder).whereSizes,
	"Expand":    (*decoder).expandSizes,
	"Squeeze":   func(d *decoder, n *node, in []sizes) (sizes, error) { return d.reshapeSizes(n, in, true) },
	"Unsqueeze": func(d *decoder, n *node, in []sizes) (sizes, error) { return d.reshapeSizes(n, in, false) },
}

// sized computes a node whose result are sizes, and reports whether it is one.
func (d *decoder) sized(n *node) (bool, error) {
	switch n.op {
	case "Shape":
		return true, d.shape(n)
	case "Cast":
		if slices.ContainsFunc(n.attributes, func(a attribute) bool { return a.name == "to" && a.i != int64(dataTypes[graph.Int64]) }) {
			return false, nil // sizes that are computed with as values
		}
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
		if !ok || s.truths && (n.op != "Where" || i > 0) {
			return false, nil
		}
		_, computed := d.sizes[name]
		in[i], found = s, found || computed
	}
	attributes := slices.Clone(n.attributes)
	s, err := f(d, n, in)
	if err == nil && len(s.v) > maxSizes {
		err = fmt.Errorf("%w: a list of %d sizes, expected at most %d", graph.ErrTooLarge, len(s.v), maxSizes)
	}
	if err != nil && !found { // constants may be computed with as any value
		n.attributes = attributes
		return false, nil
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
	if t == nil || t.DType != graph.Int64 || len(t.Shape) > 1 || t.Len() > maxSizes {
		return sizes{}, false
	}
	s := sizes{shape: t.Shape}
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
	axes, err := d.axesOf(n)
	if err != nil {
		return err
	}
	bound := func(name string, missing int) (int, error) {
		v, err := n.integer(name, int64(missing))
		if v < 0 {
			v += int64(len(axes))
		}
		return int(min(max(v, 0), int64(len(axes)))), err
	}
	from, err := bound("start", 0)
	if err != nil {
		return err
	}
	to, err := bound("end", len(axes))
	if err != nil {
		return err
	}
	d.sizes[n.out] = list(axes[from:max(from, to)])
	return nil
}

// axesOf returns the sizes of the only operand's axes, which may be sizes itself.
func (d *decoder) axesOf(n *node) ([]size, error) {
	if len(n.in) == 1 {
		if s, ok := d.sizes[n.in[0]]; ok {
			return sizesOfAxes(nil, graph.FixedShape(s.shape...)).v, nil
		}
	}
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return nil, err
	}
	t, err := d.typeOf(in[0])
	return sizesOfAxes(in[0], t.Shape).v, err
}

func (d *decoder) castSizes(n *node, in []sizes) (sizes, error) {
	return in[0], n.want("to", 0, int64(dataTypes[graph.Int64]))
}

func (d *decoder) concatSizes(n *node, in []sizes) (sizes, error) {
	var all []size
	for _, s := range in {
		if !s.isList() {
			return sizes{}, fmt.Errorf("%w: sizes with %d axes, expected 1", ErrUnsupported, len(s.shape))
		}
		all = append(all, s.v...)
	}
	return list(all), n.want("axis", 0, 0, -1)
}

func (d *decoder) gatherSizes(n *node, in []sizes) (s sizes, err error) {
	if err := n.want("axis", 0, 0, -1); err != nil {
		return s, err
	}
	if len(in) != 2 || !in[0].isList() {
		return s, fmt.Errorf("%w: found %d operands, expected a list of sizes and indexes", ErrUnsupported, len(in))
	}
	s.shape = in[1].shape
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

// sliceSizes takes a part.
func (d *decoder) sliceSizes(n *node, in []sizes) (sizes, error) {
	x := in[0]
	op, err := d.slicing(n, len(x.shape))
	if err != nil {
		return x, err
	}
	shape, strides, first := slices.Clone(x.shape), rowMajor(x.shape), 0
	for k, axis := range op.Axes {
		if op.Steps[k] == 0 {
			return x, fmt.Errorf("%w: found steps %v", ErrFormat, op.Steps)
		}
		from, count, step := op.Range(k, x.shape[axis])
		first += from * strides[axis]
		shape[axis], strides[axis] = count, strides[axis]*step
	}
	return x.view(shape, strides, first), nil
}

func (d *decoder) transposeSizes(n *node, in []sizes) (sizes, error) {
	x := in[0]
	perm, err := n.list("perm")
	if err != nil || len(perm) != len(x.shape) {
		return x, cmp.Or(err, fmt.Errorf("%w: found a permutation %v of sizes with %d axes", ErrUnsupported, perm, len(x.shape)))
	}
	shape, strides := make([]int, len(perm)), make([]int, len(perm))
	from := rowMajor(x.shape)
	for i, p := range perm {
		if p < 0 || p >= len(perm) || slices.Contains(perm[:i], p) {
			return x, fmt.Errorf("%w: found a permutation %v", ErrFormat, perm)
		}
		shape[i], strides[i] = x.shape[p], from[p]
	}
	return x.view(shape, strides, 0), nil
}

// shapeSizes gives sizes another shape, which is known but for one −1.
func (d *decoder) shapeSizes(n *node, in []sizes) (s sizes, err error) {
	if err := n.want("allowzero", 0, 0); err != nil {
		return s, err
	}
	if len(in) != 2 {
		return s, fmt.Errorf("%w: found %d operands, expected 2", ErrFormat, len(in))
	}
	shape, known := in[1].dims().Ints()
	op := &graph.Node{Op: graph.Reshape{Shape: shape}, Inputs: []*graph.Value{{}}, Output: &graph.Value{}}
	if !known {
		return s, fmt.Errorf("%w: found shape %v of sizes, expected numbers", ErrUnsupported, in[1].dims())
	}
	types := map[*graph.Value]graph.Type{op.Inputs[0]: {Shape: graph.FixedShape(in[0].shape...)}}
	if err := op.Infer(types); err != nil {
		return s, invalid(err)
	}
	s.v = in[0].v
	s.shape, _ = types[op.Output].Shape.Ints()
	return s, nil
}

// rowMajor returns how far apart neighbours lie along each axis of a shape.
func rowMajor(shape []int) []int {
	strides, n := make([]int, len(shape)), 1
	for i, d := range slices.Backward(shape) {
		strides[i] = n
		n *= d
	}
	return strides
}

// view returns the elements that lie so far apart along each axis of a shape, from the first on.
func (s sizes) view(shape, strides []int, first int) sizes {
	r := sizes{shape: shape}
	n := 1
	for _, d := range shape {
		n *= d
	}
	for i := range n {
		at, rest := first, i
		for k, d := range slices.Backward(shape) {
			at += rest % d * strides[k]
			rest /= d
		}
		r.v = append(r.v, s.v[at])
	}
	return r
}

// arithmeticSizes computes with two lists, or with a list and a size. What comes of sizes that
// are not known is not known.
func arithmeticSizes(operation rune) func(*decoder, *node, []sizes) (sizes, error) {
	return func(_ *decoder, _ *node, in []sizes) (s sizes, err error) {
		s, err = broadcastSizes(in, 2)
		for i := range s.v {
			d := graph.Dim{Div: 1}
			if x, y := in[0].at(i), in[1].at(i); x.dim.Known() && y.dim.Known() {
				v, w := int64(x.dim.Size), int64(y.dim.Size)
				switch operation {
				case '+':
					v += w
				case '-':
					v -= w
				case '*':
					v *= w
				case '/':
					if w == 0 {
						return s, fmt.Errorf("%w: a size divided by 0", ErrFormat)
					}
					v /= w
				}
				if v < -graph.MaxElements || v > graph.MaxElements {
					return s, fmt.Errorf("%w: a size of %d", graph.ErrTooLarge, v)
				}
				d = graph.Fixed(int(v))
			}
			s.v[i] = size{dim: d}
		}
		return s, err
	}
}

// broadcastSizes returns the shape that so many lists or sizes get together, and room for its elements.
func broadcastSizes(in []sizes, operands int) (s sizes, err error) {
	if len(in) != operands {
		return s, fmt.Errorf("%w: found %d operands, expected %d", ErrFormat, len(in), operands)
	}
	n := 1
	for _, x := range in {
		switch {
		case len(x.shape) > 1:
			return s, fmt.Errorf("%w: sizes with %d axes, expected 1", ErrUnsupported, len(x.shape))
		case n == 1:
			n = len(x.v)
		case len(x.v) != n && len(x.v) != 1:
			return s, fmt.Errorf("%w: found lists of %d and %d sizes", ErrFormat, n, len(x.v))
		}
		if x.isList() {
			s.shape = []int{n}
		}
	}
	s.v = make([]size, n)
	return s, nil
}

// at returns element i of sizes that are broadcast.
func (s sizes) at(i int) size {
	if len(s.v) == 1 {
		return s.v[0]
	}
	return s.v[i]
}

// equalSizes compares. The size of an axis is 1 or more, whether it is known or not.
func (d *decoder) equalSizes(n *node, in []sizes) (s sizes, err error) {
	s, err = broadcastSizes(in, 2)
	s.truths = true
	for i := range s.v {
		x, y := in[0].at(i), in[1].at(i)
		if !x.dim.Known() {
			x, y = y, x
		}
		switch {
		case x.dim.Known() && y.dim.Known():
			s.v[i].dim = graph.Fixed(truth(x.dim == y.dim))
		case x.dim.Known() && x.dim.Size < 1 && y.of != nil:
			s.v[i].dim = graph.Fixed(0)
		default:
			return s, fmt.Errorf("%w: it compares sizes %v and %v, expected numbers", ErrUnsupported, in[0].dims(), in[1].dims())
		}
	}
	return s, err
}

// whereSizes chooses.
func (d *decoder) whereSizes(n *node, in []sizes) (s sizes, err error) {
	s, err = broadcastSizes(in, 3)
	for i := range s.v {
		if s.v[i] = in[1].at(i); in[0].at(i).dim == graph.Fixed(0) {
			s.v[i] = in[2].at(i)
		}
	}
	return s, err
}

// expandSizes repeats a size.
func (d *decoder) expandSizes(n *node, in []sizes) (s sizes, err error) {
	if len(in) != 2 {
		return s, fmt.Errorf("%w: found %d operands, expected 2", ErrFormat, len(in))
	}
	count, known := in[1].dims().Ints()
	if !known || len(count) > 1 || len(in[0].v) != 1 && len(in[0].v) != count[0] || len(count) == 1 && (count[0] < 1 || count[0] > maxSizes) {
		return s, fmt.Errorf("%w: it makes %v of %d sizes, expected a list", ErrUnsupported, in[1].dims(), len(in[0].v))
	}
	if len(count) == 0 || len(in[0].v) == count[0] && in[0].isList() {
		return in[0], nil
	}
	return list(slices.Repeat(in[0].v, count[0])), nil
}

// reshapeSizes makes a list of one size from a size, or the other way round.
func (d *decoder) reshapeSizes(n *node, in []sizes, scalar bool) (sizes, error) {
	axes, err := d.axes(n, 1)
	if err != nil {
		return sizes{}, err
	}
	if len(axes) > 1 || len(axes) == 1 && axes[0] != 0 && axes[0] != -1 || in[0].isList() != scalar || len(in[0].v) != 1 {
		return sizes{}, fmt.Errorf("%w: found axes %v of sizes, expected [0] of one", ErrUnsupported, axes)
	}
	if scalar {
		return sizes{v: in[0].v}, nil
	}
	return list(in[0].v), nil
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
