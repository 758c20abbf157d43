package onnx

import (
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var addOperator = operator{
	encode: encodes(arithmetic[graph.Add]),
	decode: decoders{"Add": (*decoder).addition},
}

// addition reads a sum. Adding an integer 0 is nothing: exporters compute where an element lies from
// the number of its batch, which is 0 where there is one.
func (d *decoder) addition(n *node) error {
	in, err := d.broadcasting(n)
	if err != nil {
		return err
	}
	for i, zero := range in {
		x := in[1-i]
		if zero.Const == nil || zero.Const.DType != graph.Int64 || slices.ContainsFunc(zero.Const.Int64s(), func(v int64) bool { return v != 0 }) {
			continue
		}
		t, err := d.typeOf(x)
		if err != nil {
			return err
		}
		sum := &graph.Node{Op: graph.Add{}, Inputs: in, Output: &graph.Value{}}
		if sum.Infer(d.types) == nil && slices.Equal(d.types[sum.Output].Shape, t.Shape) {
			d.values[n.out] = x
			return nil
		}
	}
	d.values[n.out] = d.g.Add(n.out, graph.Add{}, in...)
	return nil
}
