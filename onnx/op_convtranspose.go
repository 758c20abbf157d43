package onnx

import (
	"errors"
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

var convTransposeOperator = operator{
	encode: encodes((*encoder).convTranspose),
	decode: decoders{"ConvTranspose": (*decoder).convTranspose},
}

func (e *encoder) convTranspose(n *graph.Node, op graph.ConvTranspose) error {
	if err := e.floats(n); err != nil {
		return err
	}
	w, dilations := e.types[n.Inputs[1]].Shape, op.Dilation()
	e.write(n, ints("dilations", dilations[:]...), integer("group", op.Group), ints("kernel_shape", w[2].Size, w[3].Size),
		ints("output_padding", op.OutputPadding[:]...), ints("pads", op.Pads[:]...), ints("strides", op.Strides[:]...))
	return nil
}

func (d *decoder) convTranspose(n *node) error {
	op := graph.ConvTranspose{Strides: [2]int{1, 1}}
	group, dilations, kernel, err := n.convolution(&op.Strides, &op.Pads)
	shape, err2 := n.list("output_shape")
	if err := errors.Join(err, err2, n.fill("output_padding", op.OutputPadding[:]), n.wantText("auto_pad", "NOTSET")); err != nil {
		return first(err)
	}
	if shape != nil {
		return fmt.Errorf("%w: found attribute output_shape = %v, expected pads", ErrUnsupported, shape)
	}
	op.Group, op.Dilations = group, dilations
	return d.convolve(n, op, kernel)
}
