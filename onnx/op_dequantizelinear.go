package onnx

import "github.com/repvit-go/repvit/graph"

var dequantizeLinearOperator = operator{
	encode: encodes((*encoder).dequantizeLinear),
	decode: decoders{"DequantizeLinear": (*decoder).dequantize},
}

func (e *encoder) dequantizeLinear(n *graph.Node, op graph.DequantizeLinear) error {
	return e.scaled(n, op.Axis)
}

func (d *decoder) dequantize(n *node) error {
	axis, in, err := d.scaled(n)
	if err != nil {
		return err
	}
	if len(in) == 2 {
		to := d.quantized[in[0]]
		if in[0].Const != nil {
			to = in[0].Const.DType
		}
		if in, err = d.zeroPoint(in, to); err != nil {
			return err
		}
	}
	d.values[n.out] = d.g.Add(n.out, graph.DequantizeLinear{Axis: axis}, in...)
	return nil
}
