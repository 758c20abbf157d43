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
	group, dilations, kernel, err := n.convolution(&op.Strides, &op.Pads)
	if err != nil {
		return first(err)
	}
	op.Group, op.Dilations = group, dilations
	size, err := d.kernel(n, kernel)
	if err != nil {
		return err
	}
	if _, err := d.autoPad(n, size, op.Strides, op.Dilation(), &op.Pads); err != nil {
		return err
	}
	return d.convolve(n, op, kernel)
}

// kernel returns rows and columns of a convolution's weight, those that its attribute names
// where the weight is not of that kind.
func (d *decoder) kernel(n *node, named [2]int) ([2]int, error) {
	in, err := d.operands(n, 2, 3)
	if err != nil {
		return named, err
	}
	t, err := d.typeOf(in[1])
	if s, known := t.Shape.Ints(); err == nil && known && len(s) == 4 {
		return [2]int(s[2:]), nil
	}
	return named, err
}

// convolution takes what the attributes of convolutions have in common. Dilations of 1 are
// zeros; so is the kernel where it is missing.
func (n *node) convolution(strides *[2]int, pads *[4]int) (groups int, dilations, kernel [2]int, err error) {
	group, err := n.integer("group", 1)
	err = errors.Join(err, n.fill("strides", strides[:]), n.fill("pads", pads[:]),
		n.fill("dilations", dilations[:]), n.fill("kernel_shape", kernel[:]))
	if dilations == [2]int{1, 1} {
		dilations = [2]int{}
	}
	if err == nil && (group < 1 || group > math.MaxInt32) {
		err = fmt.Errorf("%w: found attribute group = %d, expected a positive number", ErrFormat, group)
	}
	return int(group), dilations, kernel, err
}

// convolve adds a convolution, whose weight must have the kernel that the attributes name.
func (d *decoder) convolve(n *node, op graph.Op, kernel [2]int) error {
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
