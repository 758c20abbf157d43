package onnx

import (
	"fmt"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var postprocessMasksOperator = operator{encode: encodes((*encoder).postprocessMasks), spelled: true, pattern: (*decoder).masksPattern}

// postprocessMasks writes the two Resizes and the Slice between them, for an image whose size is
// computed with, as segment_anything's ONNX model does.
func (e *encoder) postprocessMasks(n *graph.Node, op graph.PostprocessMasks) error {
	s, err := e.spell(n)
	if err != nil {
		return err
	}
	x := n.Inputs[0].Name
	shape := e.types[n.Inputs[0]].Shape
	if !shape[2].Known() || !shape[3].Known() {
		return fmt.Errorf("%w: masks of %v, expected a known height and width", ErrUnsupported, shape)
	}
	linear := [][]byte{str("coordinate_transformation_mode", "half_pixel"), str("mode", "linear")}
	square := s.do("Resize", []string{x, "", s.floats(1, 1, float32(op.Size)/float32(shape[2].Size), float32(op.Size)/float32(shape[3].Size))}, linear...)
	var crop, size string
	if len(n.Inputs) == 2 {
		image := n.Inputs[1].Name
		scale := s.two("Div", s.number(float32(op.Size)), s.do("ReduceMax", []string{image}, integer("keepdims", 1)))
		side := s.two("Add", s.two("Mul", image, scale), s.number(0.5))
		crop = s.do("Cast", []string{s.do("Floor", []string{side})}, integer("to", int(dataTypes[graph.Int64])))
		size = s.do("Cast", []string{image}, integer("to", int(dataTypes[graph.Int64])))
	} else {
		rows, columns := op.Crop()
		crop, size = s.ints(int64(rows), int64(columns)), s.ints(int64(op.Height), int64(op.Width))
	}
	square = s.do("Slice", []string{square, s.ints(0, 0), crop, s.ints(2, 3)})
	channels := s.slice(s.do("Shape", []string{x}), 0, 0, 2)
	s.as(n.Output, "Resize", []string{square, "", "", s.do("Concat", []string{channels, size}, integer("axis", 0))}, linear...)
	return nil
}

// masks is a spelling of the operator that was found.
type masks struct {
	op     graph.PostprocessMasks
	sizes  [2]int     // numbers that the operand's sizes must be, 0 where they are that anyway
	scales [2]float64 // what makes the square of the operand, 0 where its size is said
}

// masksPattern matches Resize to a square, one or two Slices, and Resize to the image's size.
func (d *decoder) masksPattern(root *node) bool {
	to, ok := d.resizedTo(root, "half_pixel")
	if !ok || to[2].made != pixelsSide || to[3].made != pixelsSide || to[2].i != 0 || to[3].i != 1 || to[2].of != to[3].of {
		return false
	}
	m := &masks{}
	of := []string{root.in[0]} // values between the operand and the result
	image, last := to[2].of, to
	var crop [2]pixels
	p := d.producers[root.in[0]]
	for ; p != nil && p.op == "Slice" && len(of) <= 4; p = d.producers[p.in[0]] {
		if !d.cuts(p, &crop) {
			return false
		}
		of = append(of, p.in[0])
	}
	for i, c := range crop {
		if c.made != pixelsCrop || c.of != image || c.i != i || c.v != crop[0].v {
			return false
		}
	}
	if p == nil || p.dead || p.op != "Resize" || len(p.in) == 0 {
		return false
	}
	if to, ok = d.resizedTo(p, "half_pixel", "pytorch_half_pixel"); !ok { // the same but for a size of 1
		return false
	}
	side := crop[0].v
	if !(side > 1 && side <= math.MaxInt32) || side != math.Trunc(side) {
		return false
	}
	m.op.Size = int(side)
	for i, s := range to[2:] {
		switch {
		case s.made == pixelsNumber && s.whole && s.v == side:
		case s.made == pixelsNumber && !s.whole:
			m.scales[i] = s.v
		default:
			return false
		}
	}
	of = append(of, p.in[0])
	for _, s := range [][]pixels{last, to} {
		for i, s := range s[:2] {
			switch {
			case s.made == pixelsUnknown: // nothing is said of it
			case s.made == pixelsAxis && s.i == i && slices.Contains(of, s.of):
			case s.made == pixelsNumber && !s.whole && s.v == 1: // a scale
			case s.made == pixelsNumber && s.whole && s.v >= 1 && (m.sizes[i] == 0 || m.sizes[i] == int(s.v)):
				m.sizes[i] = int(s.v)
			default:
				return false
			}
		}
	}
	operands := []string{p.in[0], image}
	for _, name := range operands {
		d.uses[name]++
	}
	d.leave(root)
	root.in, root.attributes, root.masks = operands, nil, m
	return true
}

// resizedTo returns the sizes, or the scales, to which a node resizes four axes linearly, with
// pixels placed in one of the ways given. Of axes that are left out nothing is known.
func (d *decoder) resizedTo(n *node, placed ...string) ([]pixels, bool) {
	if n.op != "Resize" || len(n.in) < 3 || d.opset < 11 {
		return nil, false
	}
	mode, place, axes := "nearest", "half_pixel", []int64{0, 1, 2, 3}
	for _, a := range n.attributes {
		switch a.name {
		case "mode":
			mode = a.s
		case "coordinate_transformation_mode":
			place = a.s
		case "axes":
			axes = a.list
		case "cubic_coeff_a", "nearest_mode", "extrapolation_value": // of other modes
		case "antialias", "exclude_outside":
			if a.i != 0 {
				return nil, false
			}
		case "keep_aspect_ratio_policy":
			if a.s != "stretch" {
				return nil, false
			}
		default:
			return nil, false
		}
	}
	if mode != "linear" || !slices.Contains(placed, place) {
		return nil, false
	}
	p := d.pixelsOf(n.in[len(n.in)-1])
	if len(p) != len(axes) || len(n.in) > 4 || len(n.in) == 4 && n.in[2] != "" && d.pixelsOf(n.in[2]) != nil {
		return nil, false
	}
	all := make([]pixels, 4)
	for i, a := range axes {
		k, err := axis(a, 4)
		if err != nil || p[i].made == pixelsUnknown || all[k].made != pixelsUnknown || p[i].made == pixelsNumber && p[i].whole != (len(n.in) == 4) {
			return nil, false
		}
		all[k] = p[i]
	}
	return all, true
}

// cuts reads which part of height and width a Slice leaves of four axes, from the first element on.
func (d *decoder) cuts(n *node, crop *[2]pixels) bool {
	if len(n.in) < 3 || d.opset < 10 {
		return false
	}
	ends := d.pixelsOf(n.in[2])
	parts := [][]int64{nil, nil, []int64{0, 1, 2, 3}[:min(len(ends), 4)], slices.Repeat([]int64{1}, len(ends))}
	for i, name := range n.in[1:] {
		if i == 1 || name == "" {
			continue
		}
		numbers, ok := d.wholeNumbers(name)
		if !ok || i >= len(parts) {
			return false
		}
		parts[i] = numbers
	}
	starts, axes, steps := parts[0], parts[2], parts[3]
	if slices.ContainsFunc(starts, func(v int64) bool { return v != 0 }) || slices.ContainsFunc(steps, func(v int64) bool { return v != 1 }) {
		return false
	}
	if len(ends) != len(axes) || len(starts) != len(axes) || len(steps) != len(axes) {
		return false
	}
	for i, end := range ends {
		k, err := axis(axes[i], 4)
		switch {
		case err != nil:
			return false
		case end.made == pixelsNumber && end.v >= graph.SliceAll: // all of the axis
		case k < 2 || crop[k-2].made != pixelsUnknown:
			return false
		default:
			crop[k-2] = end
		}
	}
	return true
}

// wholeNumbers returns the elements of a list of integers.
func (d *decoder) wholeNumbers(name string) (v []int64, ok bool) {
	for _, p := range d.pixelsOf(name) {
		if p.made != pixelsNumber || !p.whole {
			return nil, false
		}
		v = append(v, int64(p.v))
	}
	return v, true
}

// foundMasks reads what [decoder.masksPattern] found.
func (d *decoder) foundMasks(n *node) error {
	in, err := d.operands(n, 2, 2)
	if err != nil {
		return err
	}
	t, err := d.typeOf(in[0])
	if err != nil {
		return err
	}
	if len(t.Shape) != 4 {
		return fmt.Errorf("%w: found an operand of shape %v, expected N×C×H×W", ErrUnsupported, t.Shape)
	}
	for i, size := range n.masks.sizes {
		if size != 0 && t.Shape[i] != graph.Fixed(size) {
			return fmt.Errorf("%w: found sizes %v of an operand %v, expected the same first two", ErrUnsupported, n.masks.sizes, t.Shape)
		}
	}
	side := n.masks.op.Size
	for i, scale := range n.masks.scales {
		if scale != 0 && (!t.Shape[i+2].Known() || float64(t.Shape[i+2].Size)*scale != float64(side)) {
			return fmt.Errorf("%w: found scales %v of an operand %v, expected those that make %d×%d of it", ErrUnsupported, n.masks.scales, t.Shape, side, side)
		}
	}
	d.values[n.out] = d.g.Add(n.out, n.masks.op, in...)
	return nil
}
