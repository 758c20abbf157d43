package onnx

import (
	"errors"
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

var averagePoolOperator = operator{
	encode: encodes((*encoder).averagePool),
	decode: decoders{"AveragePool": (*decoder).averagePool},
}

func (e *encoder) averagePool(n *graph.Node, op graph.AveragePool) error {
	if err := e.floats(n); err != nil {
		return err
	}
	count := 0
	if op.CountIncludePad {
		count = 1
	}
	var attributes [][]byte
	if op.CeilMode {
		attributes = append(attributes, integer("ceil_mode", 1))
	}
	e.write(n, append(attributes, integer("count_include_pad", count), ints("kernel_shape", op.Kernel[:]...), ints("pads", op.Pads[:]...), ints("strides", op.Strides[:]...))...)
	return nil
}

func (d *decoder) averagePool(n *node) error {
	op := graph.AveragePool{Strides: [2]int{1, 1}}
	dilations := [2]int{1, 1}
	count, err := n.integer("count_include_pad", 0)
	if err := errors.Join(err, n.fill("dilations", dilations[:])); err != nil {
		return first(err)
	}
	if dilations != [2]int{1, 1} {
		return fmt.Errorf("%w: found attribute dilations = %v, expected [1 1]", ErrUnsupported, dilations)
	}
	op.CountIncludePad = count != 0
	if err := d.pool(n, &op.Kernel, &op.Strides, &op.Pads, dilations, &op.CeilMode); err != nil {
		return err
	}
	return d.add(n, op, 1, 1)
}
