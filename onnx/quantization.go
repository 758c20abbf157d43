package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

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

// scaled returns axis and operands of a node with a scale. The axis of a scalar is 0.
func (d *decoder) scaled(n *node) (int, []*graph.Value, error) {
	axis, err := n.take("axis", kindInt)
	if err != nil {
		return 0, nil, err
	}
	if err := n.want("block_size", 0, 0); err != nil {
		return 0, nil, err
	}
	if err := n.want("saturate", 1, 0, 1); err != nil { // of float8
		return 0, nil, err
	}
	in, err := d.operands(n, 2, 3)
	if err != nil {
		return 0, nil, err
	}
	if axis == nil {
		// Some writers give a scalar one axis.
		for i, v := range in[1:] {
			if v.Const != nil && len(v.Const.Shape) == 1 && v.Const.Shape[0] == 1 {
				in[i+1] = d.derive(v, ".scalar", func(t *graph.Tensor) *graph.Tensor {
					return t.Reshape()
				})
			}
		}
		axis = &attribute{i: 1}
	}
	if in[1].Const != nil && len(in[1].Const.Shape) == 0 {
		return 0, in, nil
	}
	i := axis.i
	if i < 0 && in[0].Const != nil {
		i += int64(len(in[0].Const.Shape))
	}
	if i < 0 || i >= maxAxes {
		return 0, nil, fmt.Errorf("%w: found attribute axis = %d, expected one from 0 on", ErrUnsupported, axis.i)
	}
	return int(i), in, nil
}

// zeroPoint appends zeros of type to, as many as there are scales.
func (d *decoder) zeroPoint(in []*graph.Value, to graph.DType) ([]*graph.Value, error) {
	if !to.Valid() || in[1].Const == nil {
		return nil, fmt.Errorf("%w: found no zero point and no constant that tells its type and shape", ErrUnsupported)
	}
	return append(in, d.derive(in[1], ".zero_point."+to.String(), func(t *graph.Tensor) *graph.Tensor {
		return graph.RawTensor(to, t.Shape, make([]byte, t.Len()*to.Size()))
	})), nil
}
