package onnx

import (
	"fmt"

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

// gather reads indexes that are constants. Those of other than one axis are a list, and a
// Reshape behind it.
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
	if list == nil || list.DType != graph.Int64 && list.DType != graph.Int32 {
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
	y := d.g.Add(unique(d.taken, n.out+".list"), op, in...)
	if t, err = d.typeOf(y); err != nil {
		return err
	}
	s := sizesOfAxes(y, t.Shape).v
	wanted := sizes{v: s[:along:along]}
	for _, k := range shape {
		wanted.v = append(wanted.v, size{dim: graph.Fixed(k)})
	}
	wanted.v = append(wanted.v, s[along+1:]...)
	d.values[y.Name] = y
	n.in = []string{y.Name}
	return d.reshaped(n, wanted)
}
