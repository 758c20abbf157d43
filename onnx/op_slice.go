package onnx

import (
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var sliceOperator = operator{
	encode: encodes((*encoder).slice),
	decode: decoders{"Slice": (*decoder).slice},
}

func (e *encoder) slice(n *graph.Node, op graph.Slice) error {
	e.emit("Slice", n.Name(), append(e.operands(n), e.numbers("from", op.Starts), e.numbers("to", op.Ends), e.numbers("axes", op.Axes), e.numbers("steps", op.Steps)))
	return nil
}

func (d *decoder) slice(n *node) error {
	in, err := d.operands(&node{in: n.in[:min(len(n.in), 1)]}, 1, 1)
	if err != nil {
		return err
	}
	rank, err := d.rank(in[0])
	if err != nil {
		return err
	}
	op, err := d.slicing(n, rank)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, op, in[0])
	return nil
}

// slicing reads what a Slice of a value of so many axes takes: attributes, and operands since
// opset 10.
func (d *decoder) slicing(n *node, rank int) (op graph.Slice, err error) {
	if d.opset < 10 {
		for _, l := range []struct {
			name string
			to   *[]int
		}{{"starts", &op.Starts}, {"ends", &op.Ends}, {"axes", &op.Axes}} {
			a, err := n.take(l.name, kindInts)
			if err != nil {
				return op, err
			}
			if a != nil {
				*l.to = clamped(a.list)
			}
		}
	} else {
		for i, to := range []*[]int{nil, &op.Starts, &op.Ends, &op.Axes, &op.Steps} {
			if i == 0 || i >= len(n.in) || n.in[i] == "" {
				continue
			}
			v, err := d.integers(n.in[i])
			if err != nil {
				return op, err
			}
			*to = clamped(v)
		}
		if len(n.in) < 3 || len(n.in) > 5 {
			return op, fmt.Errorf("%w: found %d operands, expected 3 to 5", ErrFormat, len(n.in))
		}
	}
	if op.Axes == nil {
		for k := range op.Starts {
			op.Axes = append(op.Axes, k)
		}
	}
	if op.Steps == nil {
		op.Steps = slices.Repeat([]int{1}, len(op.Starts))
	}
	for k, a := range op.Axes {
		if op.Axes[k], err = axis(int64(a), rank); err != nil {
			return op, err
		}
	}
	return op, nil
}

// clamped returns numbers within ±[graph.SliceAll]: what is beyond an axis means its end.
func clamped(v []int64) []int {
	r := make([]int, len(v))
	for i, x := range v {
		r[i] = int(min(max(x, -graph.SliceAll), graph.SliceAll))
	}
	return r
}

// integers returns the elements of a constant list, or of sizes that are known.
func (d *decoder) integers(name string) ([]int64, error) {
	if s, ok := d.sizes[name]; ok && s.isList() {
		if v, known := s.dims().Ints(); known {
			r := make([]int64, len(v))
			for i, x := range v {
				r[i] = int64(x)
			}
			return r, nil
		}
	}
	t := d.tensors[name]
	if t == nil || t.DType != graph.Int64 && t.DType != graph.Int32 || len(t.Shape) != 1 || t.Len() > 2*maxAxes {
		return nil, fmt.Errorf("%w: operand %q is not a constant list of integers", ErrUnsupported, name)
	}
	if t.DType == graph.Int64 {
		return t.Int64s(), nil
	}
	r := make([]int64, t.Len())
	for i, x := range t.Int32s() {
		r[i] = int64(x)
	}
	return r, nil
}
