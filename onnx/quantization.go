package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

// scaled writes a node with a scale. The axis is an attribute of a scale that is not a
// scalar; others need none.
func (e *encoder) scaled(n *graph.Node, axis int) error {
	scale := e.types[n.Inputs[1]]
	if scale.DType != graph.Float32 && (scale.DType != graph.Float16 || e.opset < 19) {
		return fmt.Errorf("%w: found a scale of %v in opset %d, expected float32, or float16 since opset 19", ErrUnsupported, scale.DType, e.opset)
	}
	if len(scale.Shape) == 0 {
		e.write(n)
		return nil
	}
	e.write(n, integer("axis", axis))
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
	if err := n.want("precision", 0, 0); err != nil { // of the division
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
	if d.opset < 13 { // which has only scalars
		return 0, nil, fmt.Errorf("%w: found the scale %q in opset %d, expected a constant without axes", ErrUnsupported, in[1].Name, d.opset)
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
