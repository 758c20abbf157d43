package onnx

import (
	"errors"

	"github.com/repvit-go/repvit/graph"
)

var maxPoolOperator = operator{
	encode: encodes((*encoder).maxPool),
	decode: decoders{"MaxPool": (*decoder).maxPool},
}

func (e *encoder) maxPool(n *graph.Node, op graph.MaxPool) error {
	if err := e.floats(n); err != nil {
		return err
	}
	var attributes [][]byte
	if op.CeilMode {
		attributes = append(attributes, integer("ceil_mode", 1))
	}
	if op.Dilations != [2]int{} {
		dilations := op.Dilation()
		attributes = append(attributes, ints("dilations", dilations[:]...))
	}
	e.write(n, append(attributes, ints("kernel_shape", op.Kernel[:]...), ints("pads", op.Pads[:]...), ints("strides", op.Strides[:]...))...)
	return nil
}

func (d *decoder) maxPool(n *node) error {
	op := graph.MaxPool{Strides: [2]int{1, 1}}
	dilations := [2]int{1, 1}
	// The order in which indices would be stored, of an output that is not supported.
	if err := errors.Join(n.want("storage_order", 0, 0, 1), n.fill("dilations", dilations[:])); err != nil {
		return first(err)
	}
	if dilations != [2]int{1, 1} {
		op.Dilations = dilations
	}
	if err := d.pool(n, &op.Kernel, &op.Strides, &op.Pads, dilations, &op.CeilMode); err != nil {
		return err
	}
	n.more = nil // the indices
	return d.add(n, op, 1, 1)
}

// pool takes what the attributes of pooling operators have in common.
func (d *decoder) pool(n *node, kernel, strides *[2]int, pads *[4]int, dilations [2]int, ceil *bool) error {
	mode, err := n.integer("ceil_mode", 0)
	if err := errors.Join(err, n.fill("kernel_shape", kernel[:]), n.fill("strides", strides[:]), n.fill("pads", pads[:])); err != nil {
		return first(err)
	}
	auto, err := d.autoPad(n, *kernel, *strides, dilations, pads)
	*ceil = mode != 0 && !auto
	return err
}
