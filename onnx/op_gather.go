package onnx

import (
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var gatherOperator = operator{
	encode: encodes((*encoder).gather),
	decode: decoders{"Gather": (*decoder).gather},
}

func (e *encoder) gather(n *graph.Node, op graph.Gather) error {
	e.write(n, integer("axis", op.Axis))
	return nil
}

// gather reads indexes that are constants, or one that is computed. Those of other than one axis
// are a list, and a Reshape behind it.
func (d *decoder) gather(n *node) error {
	a, err := n.integer("axis", 0)
	if err != nil {
		return err
	}
	in, err := d.operands(n, 2, 2)
	if err != nil {
		return err
	}
	t, err := d.typeOf(in[0])
	if err != nil {
		return err
	}
	along, err := axis(a, len(t.Shape))
	if err != nil {
		return err
	}
	list := in[1].Const
	if list == nil {
		return d.gatherOne(n, along, in[0], in[1])
	}
	if list.DType != graph.Int64 && list.DType != graph.Int32 {
		return fmt.Errorf("%w: the indexes %q are not constant integers", ErrUnsupported, n.in[1])
	}
	if size := t.Shape[along]; size.Known() {
		for _, i := range list.Float64s() {
			if i < -float64(size.Size) || i >= float64(size.Size) {
				return fmt.Errorf("%w: found index %v of an axis of size %d", ErrFormat, i, size.Size)
			}
		}
	}
	op := graph.Gather{Axis: along}
	if len(list.Shape) == 1 {
		d.values[n.out] = d.g.Add(n.out, op, in...)
		return nil
	}
	shape := list.Shape
	in[1] = d.derive(in[1], ".list", func(t *graph.Tensor) *graph.Tensor { return t.Reshape(t.Len()) })
	y := d.step(n, ".list", op, in...)
	if t, err = d.typeOf(y); err != nil {
		return err
	}
	axes := sizesOfAxes(y, t.Shape).v
	var indexes []size
	for _, k := range shape {
		indexes = append(indexes, size{dim: graph.Fixed(k)})
	}
	return d.reshapedTo(n, y, slices.Concat(axes[:along], indexes, axes[along+1:]))
}

// gatherOne takes the element at an index that is computed: GatherND of a batch of one, in which
// the axis is the first.
func (d *decoder) gatherOne(n *node, along int, x, index *graph.Value) error {
	i, err := d.typeOf(index)
	if err != nil {
		return err
	}
	if dims, known := i.Shape.Ints(); !known || slices.ContainsFunc(dims, func(n int) bool { return n != 1 }) || i.DType != graph.Int64 && i.DType != graph.Int32 {
		return fmt.Errorf("%w: the indexes %q, %v, are not constant integers, nor one index", ErrUnsupported, n.in[1], i)
	}
	if i.DType != graph.Int64 {
		index = d.step(n, ".index", graph.Cast{To: graph.Int64}, index)
	}
	if index, err = d.reshapedStep(n, ".index", index, []size{one, one}); err != nil {
		return err
	}
	if along > 0 {
		t, err := d.typeOf(x)
		if err != nil {
			return err
		}
		perm := []int{along}
		for k := range t.Shape {
			if k != along {
				perm = append(perm, k)
			}
		}
		x = d.step(n, ".first", graph.Transpose{Perm: perm}, x)
	}
	t, err := d.typeOf(x)
	if err != nil {
		return err
	}
	if x, err = d.reshapedStep(n, ".batch", x, append([]size{one}, sizesOfAxes(x, t.Shape).v...)); err != nil {
		return err
	}
	y := d.step(n, ".element", graph.GatherND{BatchDims: 1}, x, index)
	if t, err = d.typeOf(y); err != nil {
		return err
	}
	axes := sizesOfAxes(y, t.Shape).v[1:]
	return d.reshapedTo(n, y, slices.Concat(axes[:along], slices.Repeat([]size{one}, len(i.Shape)), axes[along:]))
}
