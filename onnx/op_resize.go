package onnx

import (
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var resizeOperator = operator{
	encode: encodes((*encoder).resize),
	decode: decoders{"Resize": (*decoder).resize, "Upsample": (*decoder).upsample},
}

// resize writes the scales, or the sizes of all four axes. Those that are another value's are
// computed as PyTorch's exporter has it, with Shape, Slice and Concat.
func (e *encoder) resize(n *graph.Node, op graph.Resize) error {
	if err := e.floats(n); err != nil {
		return err
	}
	in := e.operands(n)
	attributes := [][]byte{str("coordinate_transformation_mode", op.Coordinates)}
	if op.Mode == "cubic" {
		attributes = append(attributes, float("cubic_coeff_a", cubicCoefficient))
	}
	attributes = append(attributes, str("mode", op.Mode))
	if op.Mode == "nearest" {
		attributes = append(attributes, str("nearest_mode", op.Nearest))
	}
	write := func(operands ...string) error {
		e.emit("Resize", n.Name(), append([]string{in[0], ""}, operands...), attributes...)
		return nil
	}
	if op.Scales != [2]float64{} {
		s := []float32{1, 1, float32(op.Scales[0]), float32(op.Scales[1])}
		name := fmt.Sprintf("scales.%v.%v", s[2], s[3])
		return write(e.constant(name, name, graph.Float32Tensor([]int{4}, s)))
	}
	part := func(of, suffix string, from int) string {
		return e.part(n, e.stepOf(n, listType(4), "Shape", suffix+".shape", []string{of}), suffix, from, from+2)
	}
	var first, last string
	if len(in) == 2 {
		last = part(in[1], ".size", 2)
	} else {
		if c, known := e.types[n.Inputs[0]].Shape[:2].Ints(); known {
			return write("", e.numbers("sizes", append(c, op.Sizes[:]...)))
		}
		last = e.numbers("size", op.Sizes[:])
	}
	first = part(in[0], ".channels", 0)
	return write("", e.stepOf(n, listType(4), "Concat", ".sizes", []string{first, last}, integer("axis", 0)))
}

// cubicCoefficient is a of cubic convolution in package graph, PyTorch and ONNX, where the
// attribute is missing.
const cubicCoefficient = -0.75

// resize reads what has four axes and keeps the first two as they are.
func (d *decoder) resize(n *node) error {
	op := graph.Resize{Coordinates: "asymmetric", Nearest: "floor"} // of opset 10, which cannot say it
	mode, err := n.text("mode", "nearest")
	if err != nil {
		return err
	}
	op.Mode = mode
	scales, size := 1, 3 // operands
	if d.opset < 11 {
		size = len(n.in)
		if err := d.placed(op); err != nil {
			return err
		}
	} else {
		scales = 2
		if op.Coordinates, err = n.text("coordinate_transformation_mode", "half_pixel"); err != nil {
			return err
		}
		if op.Nearest, err = n.text("nearest_mode", "round_prefer_floor"); err != nil {
			return err
		}
		a, err := n.real("cubic_coeff_a", cubicCoefficient)
		if err != nil {
			return err
		}
		if op.Mode == "cubic" && a != cubicCoefficient {
			return fmt.Errorf("%w: found attribute cubic_coeff_a = %v, expected %v", ErrUnsupported, a, cubicCoefficient)
		}
		if _, err := n.real("extrapolation_value", 0); err != nil { // of tf_crop_and_resize alone
			return err
		}
		for _, name := range []string{"exclude_outside", "antialias"} {
			if err := n.want(name, 0, 0); err != nil {
				return err
			}
		}
		if err := n.wantText("keep_aspect_ratio_policy", "stretch"); err != nil {
			return err
		}
	}
	axes, err := n.list("axes")
	if err != nil {
		return err
	}
	if op.Mode != "nearest" {
		op.Nearest = ""
	}
	if size < len(n.in) && n.in[size] != "" {
		if s, ok := d.sizesOf(n.in[size]); ok && len(s.v) > 0 {
			return d.resizeTo(n, op, axes, s)
		}
		return fmt.Errorf("%w: the sizes %q are neither constant nor those of other values", ErrUnsupported, n.in[size])
	}
	if len(n.in) <= scales {
		return fmt.Errorf("%w: found neither scales nor sizes", ErrFormat)
	}
	t := d.tensors[n.in[scales]]
	if t == nil || t.DType != graph.Float32 || len(t.Shape) != 1 || t.Len() > maxAxes {
		return fmt.Errorf("%w: the scales %q are not a constant list of float32", ErrUnsupported, n.in[scales])
	}
	return d.resizeBy(n, op, axes, t.Float32s())
}

// upsample is the older name of a Resize by scales.
func (d *decoder) upsample(n *node) error {
	if d.opset >= 9 {
		return d.resize(n) // which opset 10 renamed it to
	}
	op := graph.Resize{Coordinates: "asymmetric"}
	var err error
	if op.Mode, err = n.text("mode", "nearest"); err != nil {
		return err
	}
	op.Nearest = "floor"
	if err := d.placed(op); err != nil {
		return err
	}
	a, err := n.take("scales", kindFloats)
	if err != nil {
		return err
	}
	if a == nil {
		return fmt.Errorf("%w: found no attribute scales", ErrUnsupported)
	}
	return d.resizeBy(n, op, nil, graph.RawTensor(graph.Float32, []int{len(a.real) / 4}, a.real).Float32s())
}

// placed refuses to interpolate before opset 11, which did not say where pixels lie. PyTorch
// meant half_pixel or align_corners, runtimes compute asymmetric.
func (d *decoder) placed(op graph.Resize) error {
	if op.Mode != "nearest" {
		return fmt.Errorf("%w: found mode %q in opset %d, which does not say where pixels lie, expected opset 11 or later", ErrUnsupported, op.Mode, d.opset)
	}
	return nil
}

// resizeBy adds a Resize by scales, one for each axis.
func (d *decoder) resizeBy(n *node, op graph.Resize, axes []int, scales []float32) error {
	x, axes, err := d.resized(n, axes, len(scales))
	if err != nil {
		return err
	}
	op.Scales = [2]float64{1, 1}
	for i, a := range axes {
		switch {
		case a >= 2:
			op.Scales[a-2] = widen(scales[i])
		case scales[i] != 1:
			return fmt.Errorf("%w: found scales %v, expected 1 of the first two axes", ErrUnsupported, scales)
		}
	}
	d.values[n.out] = d.g.Add(n.out, op, x)
	return nil
}

// resizeTo adds a Resize to sizes that are constant, or the height and width of a value.
func (d *decoder) resizeTo(n *node, op graph.Resize, axes []int, s sizes) error {
	x, axes, err := d.resized(n, axes, len(s.v))
	if err != nil {
		return err
	}
	shape, err := d.typeOf(x)
	if err != nil {
		return err
	}
	var spatial [2]size
	for k := range spatial {
		spatial[k] = size{dim: shape.Shape[k+2], of: x, axis: k + 2}
	}
	for i, a := range axes {
		switch v := s.v[i]; {
		case a >= 2:
			spatial[a-2] = v
		case v.of == x && v.axis == a, v.dim.Known() && v.dim == shape.Shape[a]:
		default:
			return fmt.Errorf("%w: found sizes %v of an operand %v, expected the same first two", ErrUnsupported, s.dims(), shape.Shape)
		}
	}
	h, w := spatial[0], spatial[1]
	switch like := h.of; {
	case like != nil && w.of == like && h.axis == 2 && w.axis == 3 && d.isImage(like):
		d.values[n.out] = d.g.Add(n.out, op, x, like)
	case h.dim.Known() && w.dim.Known():
		op.Sizes = [2]int{h.dim.Size, w.dim.Size}
		d.values[n.out] = d.g.Add(n.out, op, x)
	default:
		return fmt.Errorf("%w: found sizes %v, expected constants, or height and width of one value", ErrUnsupported, s.dims())
	}
	return nil
}

// resized returns a Resize's operand, and its axes counted from the front, of which there are
// so many.
func (d *decoder) resized(n *node, axes []int, count int) (*graph.Value, []int, error) {
	n.in = n.in[:min(len(n.in), 1)]
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return nil, nil, err
	}
	if !d.isImage(in[0]) {
		t, err := d.typeOf(in[0])
		if err == nil {
			err = fmt.Errorf("%w: found an operand of shape %v, expected N×C×H×W", ErrUnsupported, t.Shape)
		}
		return nil, nil, err
	}
	if axes == nil {
		axes = []int{0, 1, 2, 3}
	}
	if len(axes) != count {
		return nil, nil, fmt.Errorf("%w: found scales or sizes of %d axes, expected %d", ErrFormat, count, len(axes))
	}
	found := make([]int, len(axes))
	for i, a := range axes {
		k, err := axis(int64(a), 4)
		if err != nil {
			return nil, nil, err
		}
		if slices.Contains(found[:i], k) {
			return nil, nil, fmt.Errorf("%w: found attribute axes = %v, expected each once", ErrFormat, axes)
		}
		found[i] = k
	}
	return in[0], found, nil
}

// isImage reports whether a value has four axes.
func (d *decoder) isImage(v *graph.Value) bool {
	rank, err := d.rank(v)
	return err == nil && rank == 4
}
