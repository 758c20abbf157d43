package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

var quantizeLinearOperator = operator{
	encode: encodes((*encoder).quantizeLinear),
	decode: decoders{"QuantizeLinear": (*decoder).quantize},
}

func (e *encoder) quantizeLinear(n *graph.Node, op graph.QuantizeLinear) error {
	if x, scale := e.types[n.Inputs[0]].DType, e.types[n.Inputs[1]].DType; x != scale {
		return fmt.Errorf("%w: found a scale of %v for an operand of %v, expected the same type", ErrUnsupported, scale, x)
	}
	return e.scaled(n, op.Axis)
}

func (d *decoder) quantize(n *node) error {
	out, err := n.integer("output_dtype", 0)
	if err != nil {
		return err
	}
	to := graph.Uint8
	if out != 0 {
		if to, err = dtype(out); err != nil {
			return err
		}
	}
	axis, in, err := d.scaled(n)
	if err != nil {
		return err
	}
	if len(in) == 2 {
		if in, err = d.zeroPoint(in, to); err != nil {
			return err
		}
	}
	if zero := in[2].Const; zero != nil {
		if out != 0 && zero.DType != to {
			return fmt.Errorf("%w: found attribute output_dtype = %d and a zero point of %v", ErrFormat, out, zero.DType)
		}
		to = zero.DType
	}
	y := d.g.Add(n.out, graph.QuantizeLinear{Axis: axis}, in...)
	d.values[n.out] = y
	d.quantized[y] = to
	return nil
}
