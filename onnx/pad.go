package onnx

import (
	"fmt"
	"slices"
)

// pad is nothing where it adds no elements: PyTorch's exporter writes one before every
// AveragePool.
func (d *decoder) pad(n *node) error {
	if _, err := n.take("mode", kindString); err != nil {
		return err
	}
	var pads []int64
	if d.opset < 11 {
		if _, err := n.take("value", kindFloat); err != nil {
			return err
		}
		a, err := n.take("pads", kindInts)
		if err != nil {
			return err
		}
		if a != nil {
			pads = a.list
		}
	} else {
		if len(n.in) < 2 {
			return fmt.Errorf("%w: found %d operands, expected 2 to 4", ErrFormat, len(n.in))
		}
		t := d.tensors[n.in[1]]
		if t == nil || t.DType.IsFloat() || t.Len() > 2*maxAxes {
			return fmt.Errorf("%w: operand %q is not a constant list of integers", ErrUnsupported, n.in[1])
		}
		pads = t.Int64s()
		n.in = n.in[:1]
	}
	if slices.ContainsFunc(pads, func(p int64) bool { return p != 0 }) {
		return fmt.Errorf("%w: found pads %v, expected zeros", ErrUnsupported, pads)
	}
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	d.values[n.out] = in[0]
	return nil
}
