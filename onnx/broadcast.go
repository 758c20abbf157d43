package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// maxMade is how many elements of constants the nodes of a file may stand for that it does not hold.
const maxMade = 1 << 20

// make accounts for so many elements.
func (d *decoder) make(n int) error {
	if n > maxMade-d.made {
		return fmt.Errorf("%w: constants of more than %d elements that the file does not hold", graph.ErrTooLarge, maxMade)
	}
	d.made += n
	return nil
}

// expand is Expand to a shape that is known, or whose sizes are those of values' axes.
func (d *decoder) expand(n *node) error {
	if len(n.in) != 2 {
		return fmt.Errorf("%w: found %d operands, expected 2", ErrFormat, len(n.in))
	}
	wanted, err := d.sizeList(n.in[1])
	if err != nil {
		return err
	}
	x, err := d.value(n.in[0])
	if err != nil {
		return err
	}
	return d.expanded(n, x, wanted.v)
}

// sizeList returns sizes along one axis.
func (d *decoder) sizeList(name string) (sizes, error) {
	s, ok := d.sizesOf(name)
	if !ok || !s.isList() {
		return s, fmt.Errorf("%w: operand %q is not a constant list of integers, nor one of the sizes of values", ErrUnsupported, name)
	}
	return s, nil
}

// constantOfShape is ConstantOfShape: an element that is broadcast, and of few integers a list.
func (d *decoder) constantOfShape(n *node) error {
	a, err := n.take("value", kindTensor)
	if err != nil {
		return err
	}
	t := graph.Float32Tensor([]int{1}, []float32{0})
	if a != nil && a.t != nil {
		t = a.t
	}
	if t.Len() != 1 {
		return fmt.Errorf("%w: found attribute value of %d elements, expected 1", ErrFormat, t.Len())
	}
	if len(n.in) != 1 {
		return fmt.Errorf("%w: found %d operands, expected 1", ErrFormat, len(n.in))
	}
	wanted, err := d.sizeList(n.in[0])
	if err != nil {
		return err
	}
	if dims, known := wanted.dims().Ints(); known && t.DType == graph.Int64 && len(dims) == 1 && dims[0] >= 0 && dims[0] <= maxSizes {
		if v := t.Int64s()[0]; v >= -graph.MaxElements && v <= graph.MaxElements {
			d.sizes[n.out] = list(slices.Repeat([]size{{dim: graph.Fixed(int(v))}}, dims[0]))
			return nil
		}
	}
	return d.expanded(n, graph.Weight(unique(d.taken, n.out+".element"), t.Reshape()), wanted.v)
}

// expanded broadcasts x to the sizes wanted, as the node's value. Along each axis that becomes longer x
// is chosen, or x, by truth values of that length: which they are does not matter.
func (d *decoder) expanded(n *node, x *graph.Value, wanted []size) error {
	t, err := d.typeOf(x)
	if err != nil {
		return err
	}
	have := t.Shape
	if before := len(wanted) - len(have); before > 0 {
		axes := append(slices.Repeat([]size{one}, before), sizesOfAxes(x, have).v...)
		have = sizes{v: axes}.dims()
		if x.Const != nil {
			dims, _ := have.Ints()
			x = d.derive(x, fmt.Sprintf(".axes%d", len(have)), func(t *graph.Tensor) *graph.Tensor { return t.Reshape(dims...) })
		} else if x, err = d.reshapedStep(n, ".axes", x, axes); err != nil {
			return err
		}
	}
	wanted = append(slices.Repeat([]size{one}, len(have)-len(wanted)), wanted...)
	from := x
	for i, w := range wanted {
		switch {
		case w.of == from && w.axis == i, w.dim == have[i] && (w.dim.Known() || w.dim.Sym != "") || w.dim == one.dim:
			continue
		case w.dim.Known() && have[i].Known() && have[i].Size != 1 || w.dim.Known() && w.dim.Size < 1:
			return fmt.Errorf("%w: found an operand %v, which does not broadcast to a size of %v", ErrFormat, have, w.dim)
		case have[i].Known() && have[i].Size != 1: // and w is that, or 1
			continue
		}
		truths, err := d.along(n, w, i, len(have))
		if err != nil {
			return err
		}
		x = d.step(n, ".expanded", graph.Where{}, truths, x, x)
	}
	d.values[n.out] = x
	return nil
}

// along returns truth values with as many elements along an axis of so many as a size has.
func (d *decoder) along(n *node, s size, axis, rank int) (*graph.Value, error) {
	if s.dim.Known() {
		if err := d.make(s.dim.Size); err != nil {
			return nil, err
		}
		shape := slices.Repeat([]int{1}, rank)
		shape[axis] = s.dim.Size
		return graph.Weight(unique(d.taken, n.out+".truths"), graph.BoolTensor(shape, make([]bool, s.dim.Size))), nil
	}
	if s.of == nil {
		return nil, fmt.Errorf("%w: it computes with a size of %v, which is not that of a value's axis", ErrUnsupported, s.dim)
	}
	t, err := d.typeOf(s.of)
	if err != nil {
		return nil, err
	}
	x := s.of
	var first graph.Slice
	for k := range t.Shape {
		if k != s.axis {
			first.Axes, first.Starts, first.Ends, first.Steps = append(first.Axes, k), append(first.Starts, 0), append(first.Ends, 1), append(first.Steps, 1)
		}
	}
	if first.Axes != nil {
		x = d.step(n, ".first", first, x)
	}
	row := slices.Repeat([]size{one}, rank)
	row[axis] = size{dim: s.dim, of: x, axis: s.axis}
	if x, err = d.reshapedStep(n, ".row", x, row); err != nil {
		return nil, err
	}
	return d.step(n, ".truths", graph.Equal{}, x, x), nil
}

// sizesValue makes a value of sizes. Those that are not known are counted when the network runs, as
// float32, which is exact up to 2²⁴.
func (d *decoder) sizesValue(name string, s sizes) (*graph.Value, error) {
	dims, known := s.dims().Ints()
	if known && s.truths {
		truths := make([]bool, len(dims))
		for i, n := range dims {
			truths[i] = n != 0
		}
		return graph.Weight(name, graph.BoolTensor(s.shape, truths)), nil
	}
	if known {
		list := make([]int64, len(dims))
		for i, n := range dims {
			list[i] = int64(n)
		}
		return graph.Weight(name, graph.Int64Tensor(s.shape, list)), nil
	}
	n := &node{out: name}
	number := func(v int) *graph.Value {
		return graph.Weight(unique(d.taken, name+".number"), graph.Int64Tensor([]int{1}, []int64{int64(v)}))
	}
	var parts []*graph.Value
	for _, v := range s.v {
		if v.dim.Known() {
			parts = append(parts, number(v.dim.Size))
			continue
		}
		truths, err := d.along(n, v, 0, 1)
		if err != nil {
			return nil, err
		}
		unit := graph.Weight(unique(d.taken, name+".one"), scalarTensor(graph.Float32, 1))
		count := d.step(n, ".sum", graph.ReduceSum{Axes: []int{-1}, KeepDims: true}, d.step(n, ".ones", graph.Where{}, truths, unit, unit))
		parts = append(parts, d.step(n, ".count", graph.Cast{To: graph.Int64}, count))
	}
	y := parts[0]
	if len(parts) > 1 {
		y = d.step(n, ".counts", graph.Concat{}, parts...)
	}
	if s.isList() {
		return y, nil
	}
	var wanted []size
	for _, k := range s.shape {
		wanted = append(wanted, size{dim: graph.Fixed(k)})
	}
	return d.reshapedStep(n, ".shaped", y, wanted)
}

// numberRange is Range of constants, or of sizes that are known.
func (d *decoder) numberRange(n *node) error {
	in, err := d.operands(n, 3, 3)
	if err != nil {
		return err
	}
	var v [3]float64
	for i, x := range in {
		if x.Const == nil || x.Const.Len() != 1 || x.Const.DType != in[0].Const.DType {
			return fmt.Errorf("%w: operand %q is not a constant number", ErrUnsupported, n.in[i])
		}
		v[i] = x.Const.Float64s()[0]
	}
	for _, x := range v {
		if math.Abs(x) > 1<<53 { // where not every integer is a float64
			return fmt.Errorf("%w: found a number of %v, expected at most 2⁵³", ErrUnsupported, x)
		}
	}
	start, limit, delta := v[0], v[1], v[2]
	count := math.Ceil((limit - start) / delta)
	if !(count >= 1) || delta == 0 {
		return fmt.Errorf("%w: found %v to %v in steps of %v, which has no elements", ErrUnsupported, start, limit, delta)
	}
	if count > maxMade {
		count = maxMade + 1
	}
	if err := d.make(int(count)); err != nil {
		return err
	}
	switch in[0].Const.DType {
	case graph.Int64:
		list := make([]int64, int(count))
		for i := range list {
			list[i] = int64(start) + int64(i)*int64(delta)
		}
		d.tensors[n.out] = graph.Int64Tensor([]int{len(list)}, list)
	case graph.Float32:
		list := make([]float32, int(count))
		for i := range list {
			list[i] = float32(start + float64(i)*delta)
		}
		d.tensors[n.out] = graph.Float32Tensor([]int{len(list)}, list)
	default:
		return fmt.Errorf("%w: found operands of %v, expected int64 or float32", ErrUnsupported, in[0].Const.DType)
	}
	return nil
}
