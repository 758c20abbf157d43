package onnx

import (
	"errors"
	"fmt"

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
	e.write(n, ints("kernel_shape", op.Kernel[:]...), ints("pads", op.Pads[:]...), ints("strides", op.Strides[:]...))
	return nil
}

func (d *decoder) maxPool(n *node) error {
	op := graph.MaxPool{Strides: [2]int{1, 1}}
	// The order in which indices would be stored, of an output that is not supported.
	err := errors.Join(n.want("storage_order", 0, 0, 1), n.pool(&op.Kernel, &op.Strides, &op.Pads))
	if err != nil {
		return first(err)
	}
	n.more = nil // the indices
	return d.add(n, op, 1, 1)
}

// pool takes what the attributes of pooling operators have in common.
func (n *node) pool(kernel, strides *[2]int, pads *[4]int) error {
	dilations := [2]int{1, 1}
	err := errors.Join(n.fill("kernel_shape", kernel[:]), n.fill("strides", strides[:]), n.fill("pads", pads[:]), n.fill("dilations", dilations[:]),
		n.want("ceil_mode", 0, 0), n.wantText("auto_pad", "NOTSET"))
	if err == nil && dilations != [2]int{1, 1} {
		err = fmt.Errorf("%w: found attribute dilations = %v, expected [1 1]", ErrUnsupported, dilations)
	}
	return err
}
