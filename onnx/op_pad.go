package onnx

import (
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/repvit-go/repvit/graph"
)

var padOperator = operator{
	encode: encodes((*encoder).pad),
	decode: decoders{"Pad": (*decoder).pad},
}

func (e *encoder) pad(n *graph.Node, op graph.Pad) error {
	if err := e.floats(n); err != nil {
		return err
	}
	in := append(e.operands(n), e.numbers("pads", op.Pads))
	if op.Value != 0 {
		in = append(in, e.scalar("pad."+strconv.FormatFloat(op.Value, 'g', -1, 32), e.types[n.Output].DType, op.Value))
	}
	e.emit("Pad", n.Name(), in, str("mode", op.Mode))
	return nil
}

// pad is nothing where it adds no elements: PyTorch's exporter writes one before every
// AveragePool.
func (d *decoder) pad(n *node) error {
	mode, err := n.text("mode", "constant")
	if err != nil {
		return err
	}
	op := graph.Pad{Mode: mode}
	var pads []int64
	var axes []int64 // nil for all
	if d.opset < 11 {
		value, err := n.real("value", 0)
		a, err2 := n.take("pads", kindInts)
		if err := errors.Join(err, err2); err != nil {
			return first(err)
		}
		if op.Value = value; a != nil {
			pads = a.list
		}
	} else {
		if len(n.in) < 2 || len(n.in) > 4 {
			return fmt.Errorf("%w: found %d operands, expected 2 to 4", ErrFormat, len(n.in))
		}
		if pads, err = d.integers(n.in[1]); err != nil {
			return err
		}
		if len(n.in) > 2 && n.in[2] != "" && slices.ContainsFunc(pads, func(p int64) bool { return p != 0 }) {
			if op.Value, err = d.real("value", n.in[2]); err != nil {
				return err
			}
		}
		if len(n.in) > 3 && n.in[3] != "" {
			if axes, err = d.integers(n.in[3]); err != nil {
				return err
			}
		}
		n.in = n.in[:1]
	}
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	if !slices.ContainsFunc(pads, func(p int64) bool { return p != 0 }) {
		d.values[n.out] = in[0]
		return nil
	}
	rank, err := d.rank(in[0])
	if err != nil {
		return err
	}
	if axes == nil {
		for a := range rank {
			axes = append(axes, int64(a))
		}
	}
	if len(pads) != 2*len(axes) {
		return fmt.Errorf("%w: found pads %v of %d axes, expected two for each", ErrFormat, pads, len(axes))
	}
	op.Pads = make([]int, 2*rank)
	for i, a := range axes {
		k, err := axis(a, rank)
		if err != nil {
			return err
		}
		op.Pads[k], op.Pads[rank+k] = clamped(pads[i : i+1])[0], clamped(pads[len(axes)+i:][:1])[0]
	}
	if op.Mode != "constant" {
		op.Value = 0 // which has no meaning
	}
	d.values[n.out] = d.g.Add(n.out, op, in[0])
	return nil
}
