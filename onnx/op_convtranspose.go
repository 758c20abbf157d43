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
	mode, err3 := n.text("auto_pad", "NOTSET")
	if err := errors.Join(err, err2, err3, n.fill("output_padding", op.OutputPadding[:])); err != nil {
		return first(err)
	}
	if shape != nil {
		return fmt.Errorf("%w: found attribute output_shape = %v, expected pads", ErrUnsupported, shape)
	}
	op.Group, op.Dilations = group, dilations
	size, err := d.kernel(n, kernel)
	if err != nil {
		return err
	}
	switch mode {
	case "NOTSET":
	case "VALID":
		op.Pads = [4]int{}
	case "SAME_UPPER", "SAME_LOWER": // stride pixels for each one
		for i, k := range size {
			total := (int64(k)-1)*int64(op.Dilation()[i]) + 1 + int64(op.OutputPadding[i]) - int64(op.Strides[i])
			if total < 0 {
				return fmt.Errorf("%w: found attribute auto_pad = %q of a kernel %v with strides %v, expected one as large as a stride", ErrUnsupported, mode, size, op.Strides)
			}
			if err := split(mode, total, &op.Pads[i], &op.Pads[i+2]); err != nil {
				return err
			}
		}
	default:
		return fmt.Errorf("%w: found attribute auto_pad = %q, expected NOTSET, SAME_UPPER, SAME_LOWER or VALID", ErrUnsupported, mode)
	}
	return d.convolve(n, op, kernel)
}
