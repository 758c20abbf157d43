package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

var powOperator = operator{
	encode: encodes(plainFloats[graph.Pow]),
	decode: decoders{"Pow": (*decoder).pow},
}

// pow converts an exponent of another type to that of the base.
func (d *decoder) pow(n *node) error {
	in, err := d.broadcasting(n)
	if err != nil {
		return err
	}
	x, err := d.typeOf(in[0])
	if err != nil {
		return err
	}
	y, err := d.typeOf(in[1])
	if err != nil {
		return err
	}
	if !x.DType.IsFloat() {
		return fmt.Errorf("%w: found operands of %v, expected a float", ErrUnsupported, x.DType)
	}
	if y.DType != x.DType {
		in[1] = d.step(n, ".exponent", graph.Cast{To: x.DType}, in[1])
	}
	d.values[n.out] = d.g.Add(n.out, graph.Pow{}, in...)
	return nil
}
