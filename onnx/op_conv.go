package onnx

import (
	"errors"
	"fmt"
	"math"

	"github.com/repvit-go/repvit/graph"
)

var convOperator = operator{
	encode: encodes((*encoder).conv),
	decode: decoders{"Conv": (*decoder).conv},
}

func (e *encoder) conv(n *graph.Node, op graph.Conv) error {
	if err := e.floats(n); err != nil {
		return err
	}
	w, dilations := e.types[n.Inputs[1]].Shape, op.Dilation()
	e.write(n, ints("dilations", dilations[:]...), integer("group", op.Group), ints("kernel_shape", w[2].Size, w[3].Size),
		ints("pads", op.Pads[:]...), ints("strides", op.Strides[:]...))
	return nil
}

func (d *decoder) conv(n *node) error {
	op := graph.Conv{Strides: [2]int{1, 1}}
	dilations := [2]int{1, 1}
	var kernel [2]int
	group, err := n.integer("group", 1)
	err = errors.Join(err, n.fill("strides", op.Strides[:]), n.fill("pads", op.Pads[:]),
		n.fill("dilations", dilations[:]), n.fill("kernel_shape", kernel[:]))
	if err != nil {
		return first(err)
	}
	if dilations != [2]int{1, 1} {
		op.Dilations = dilations
	}
	if group < 1 || group > math.MaxInt32 {
		return fmt.Errorf("%w: found attribute group = %d, expected a positive number", ErrFormat, group)
	}
	if err := n.wantText("auto_pad", "NOTSET"); err != nil {
		return err
	}
	op.Group = int(group)
	if err := d.add(n, op, 2, 3); err != nil {
		return err
	}
	w := d.values[n.in[1]]
	d.check(n, func(types map[*graph.Value]graph.Type) error {
		if s := types[w].Shape; kernel != [2]int{} && (s[2] != graph.Fixed(kernel[0]) || s[3] != graph.Fixed(kernel[1])) {
			return fmt.Errorf("%w: found attribute kernel_shape = %v, expected %v×%v as the weight has", ErrFormat, kernel, s[2], s[3])
		}
		return nil
	})
	return nil
}
