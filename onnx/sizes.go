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

// sizes are the elements of a value of integers.
type sizes struct {
	v     []size
	shape []int
}

// maxSizes is how many they may be. PyTorch pads with two for each axis.
const maxSizes = 4 * maxAxes

// list is a value with one axis.
func list(v []size) sizes { return sizes{v, []int{len(v)}} }

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
	"Squeeze":   func(d *decoder, n *node, in []sizes) (sizes, error) { return d.reshapeSizes(n, in, true) },
	"Unsqueeze": func(d *decoder, n *node, in []sizes) (sizes, error) { return d.reshapeSizes(n, in, false) },
}

// sized computes a node whose result are sizes, and reports whether it is one.
func (d *decoder) sized(n *node) (bool, error) {
	switch n.op {
	case "Shape":
		return true, d.shape(n)
	case "ConstantOfShape":
		return d.filled(n)
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
	d.sizes[n.out] = list(sizesOfAxes(in[0], t.Shape).v[from:max(from, to)])
	return nil
}

// filled is the node ConstantOfShape, of a few integers that are all one.
func (d *decoder) filled(n *node) (bool, error) {
	i := slices.IndexFunc(n.attributes, func(a attribute) bool { return a.name == "value" })
	if len(n.in) != 1 || i < 0 {
		return false, nil
	}
	t := n.attributes[i].t
	count, ok := d.sizesOf(n.in[0])
	if t == nil || t.DType != graph.Int64 || t.Len() != 1 || !ok || len(count.v) != 1 || !count.isList() {
		return false, nil
	}
	v, k := t.Int64s()[0], count.v[0].dim
	if v < -graph.MaxElements || v > graph.MaxElements || !k.Known() || k.Size < 0 || k.Size > maxSizes {
		return false, nil
	}
	n.attributes = slices.Delete(n.attributes, i, i+1)
	d.sizes[n.out] = list(slices.Repeat([]size{{dim: graph.Fixed(int(v))}}, k.Size))
	return true, nil
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
		if s.shape = in[0].shape; len(in[1].v) == n && len(in[1].shape) > len(s.shape) || len(in[0].v) < n {
			s.shape = in[1].shape
		}
		for i := range a {
			d := graph.Dim{Div: 1}
			if x, y := a[i].dim, b[i].dim; x.Known() && y.Known() {
				v, w := int64(x.Size), int64(y.Size)
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
