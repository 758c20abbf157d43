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

// Other programs spell the operator too, each in its own way: what matters is what becomes of the
// image's size, an input of the graph, and that the Resizes and Slices take their sizes from it.

// pixels is an element of a small list of numbers, as far as it is known how it is made of an
// image's size.
type pixels struct {
	made  pixelsMade
	of    string  // the image's size, or the value
	i     int     // height or width; the axis of the value
	v     float64 // the number; the side of the square
	whole bool    // of an integer type
}

// pixelsMade is what a number is, where s is the side of the square.
type pixelsMade int

const (
	pixelsUnknown   pixelsMade = iota
	pixelsNumber               // v
	pixelsAxis                 // the size of axis i of a value
	pixelsSide                 // side i of the image
	pixelsLongest              // the longer side
	pixelsInverse              // 1/longest
	pixelsScale                // v/longest
	pixelsScaled               // scale·side
	pixelsRoundable            // scaled + ½
	pixelsCrop                 // ⌊scaled + ½⌋
)

// findImageSizes follows every input that may be an image's size through the nodes.
func (d *decoder) findImageSizes() error {
	for _, in := range d.g.Inputs {
		if in.Type.DType == graph.Float32 && slices.Equal(in.Type.Shape, graph.FixedShape(2)) {
			d.pixels[in.Name] = []pixels{{made: pixelsSide, of: in.Name}, {made: pixelsSide, of: in.Name, i: 1}}
		}
	}
	if len(d.pixels) == 0 {
		return nil
	}
	for _, n := range d.nodes {
		if f := pixelsOperators[n.op]; f != nil && len(n.in) > 0 {
			if p := f(d, n); len(p) > 0 && len(p) <= maxAxes {
				d.pixels[n.out] = p
			}
		}
	}
	return nil
}

// pixelsOf returns the elements of a value that were followed, or of a constant.
func (d *decoder) pixelsOf(name string) []pixels {
	if p, ok := d.pixels[name]; ok {
		return p
	}
	t := d.tensors[name]
	if t == nil || len(t.Shape) > 1 || t.Len() > maxAxes || t.DType == graph.Bool {
		return nil
	}
	var p []pixels
	for _, v := range t.Float64s() {
		p = append(p, pixels{made: pixelsNumber, v: v, whole: !t.DType.IsFloat()})
	}
	return p
}

// pixelsOperators follow elements through a node; nil is what they do not understand.
var pixelsOperators = map[string]func(*decoder, *node) []pixels{
	"Add": pixelsOfTwo(func(a, b pixels) pixels {
		if a.made == pixelsScaled && b.made == pixelsNumber && b.v == 0.5 {
			a.made = pixelsRoundable
			return a
		}
		return pixels{}
	}),
	"Mul": pixelsOfTwo(func(a, b pixels) pixels {
		switch {
		case a.made == pixelsInverse && b.made == pixelsNumber && powerOfTwo(b.v):
			// Another number times 1/longest is not rounded as its quotient is.
			a.made, a.v = pixelsScale, b.v
			return a
		case a.made == pixelsScale && b.made == pixelsSide && a.of == b.of:
			b.made, b.v = pixelsScaled, a.v
			return b
		}
		return pixels{}
	}),
	"Div": func(d *decoder, n *node) []pixels {
		if len(n.in) != 2 {
			return nil
		}
		a, b := d.pixelsOf(n.in[0]), d.pixelsOf(n.in[1])
		if len(a) != 1 || len(b) != 1 || a[0].made != pixelsNumber || b[0].made != pixelsLongest || a[0].whole || b[0].whole {
			return nil
		}
		return []pixels{{made: pixelsScale, of: b[0].of, v: a[0].v}}
	},
	"Reciprocal": pixelsOfEach(func(p pixels) pixels {
		if p.made != pixelsLongest || p.whole {
			return pixels{}
		}
		p.made = pixelsInverse
		return p
	}),
	"Floor": pixelsOfEach(func(p pixels) pixels {
		if p.made != pixelsRoundable {
			return pixels{}
		}
		p.made = pixelsCrop
		return p
	}),
	"Max": func(d *decoder, n *node) []pixels {
		var all []pixels
		for _, name := range n.in {
			p := d.pixelsOf(name)
			if len(p) != 1 {
				return nil
			}
			all = append(all, p[0])
		}
		return longest(all)
	},
	"ReduceMax": (*decoder).pixelsReduceMax,
	"Cast":      (*decoder).pixelsCast,
	"Shape":     (*decoder).pixelsShape,
	"Gather":    (*decoder).pixelsGather,
	"Slice":     (*decoder).pixelsSlice,
	"Concat":    (*decoder).pixelsConcat,
	"Unsqueeze": (*decoder).pixelsOne,
	"Squeeze":   (*decoder).pixelsOne,
	"Reshape":   (*decoder).pixelsOne,
}

// powerOfTwo: multiplying by it is exact.
func powerOfTwo(v float64) bool {
	fraction, _ := math.Frexp(v)
	return fraction == 0.5
}

// longest is the larger one of both sides.
func longest(p []pixels) []pixels {
	if len(p) != 2 || p[0].made != pixelsSide || p[1].made != pixelsSide || p[0].of != p[1].of || p[0].i == p[1].i {
		return nil
	}
	return []pixels{{made: pixelsLongest, of: p[0].of, whole: p[0].whole}}
}

// pixelsOfEach computes each element.
func pixelsOfEach(f func(pixels) pixels) func(*decoder, *node) []pixels {
	return func(d *decoder, n *node) []pixels {
		var r []pixels
		for _, p := range d.pixelsOf(n.in[0]) {
			r = append(r, f(p))
		}
		return r
	}
}

// pixelsOfTwo computes with two lists of floats that are broadcast, in either order.
func pixelsOfTwo(f func(a, b pixels) pixels) func(*decoder, *node) []pixels {
	return func(d *decoder, n *node) []pixels {
		if len(n.in) != 2 {
			return nil
		}
		a, b := d.pixelsOf(n.in[0]), d.pixelsOf(n.in[1])
		if len(a) == 0 || len(b) == 0 || len(a) != len(b) && min(len(a), len(b)) != 1 {
			return nil
		}
		var r []pixels
		for i := range max(len(a), len(b)) {
			x, y := a[min(i, len(a)-1)], b[min(i, len(b)-1)]
			switch {
			case x.whole || y.whole:
				r = append(r, pixels{})
			case f(x, y).made != pixelsUnknown:
				r = append(r, f(x, y))
			default:
				r = append(r, f(y, x))
			}
		}
		return r
	}
}

// pixelsReduceMax is the larger side, of the only axis or of all.
func (d *decoder) pixelsReduceMax(n *node) []pixels {
	var axes []int64
	for _, a := range n.attributes {
		switch {
		case a.name == "axes":
			axes = a.list
		case a.name == "noop_with_empty_axes" && a.i != 0:
			return nil
		}
	}
	if len(n.in) > 1 && n.in[1] != "" {
		var err error
		if axes, err = d.integers(n.in[1]); err != nil {
			return nil
		}
	}
	if len(axes) > 1 || len(axes) == 1 && axes[0] != 0 && axes[0] != -1 {
		return nil
	}
	return longest(d.pixelsOf(n.in[0]))
}

// pixelsCast converts to float32 or an integer. Sides of images are whole numbers, from 1.
func (d *decoder) pixelsCast(n *node) []pixels {
	to := int64(0)
	for _, a := range n.attributes {
		if a.name == "to" {
			to = a.i
		}
	}
	float := to == int64(dataTypes[graph.Float32])
	if !float && to != int64(dataTypes[graph.Int64]) && to != int64(dataTypes[graph.Int32]) {
		return nil
	}
	r := slices.Clone(d.pixelsOf(n.in[0]))
	for i, p := range r {
		switch {
		case float:
		case p.made == pixelsRoundable:
			r[i].made = pixelsCrop
		case p.made == pixelsNumber && p.v != math.Trunc(p.v),
			p.made == pixelsInverse, p.made == pixelsScale, p.made == pixelsScaled:
			r[i] = pixels{}
		}
		r[i].whole = !float
	}
	return r
}

// pixelsShape is the shape of a value that has four axes, if it is one of the masks'.
func (d *decoder) pixelsShape(n *node) []pixels {
	if len(n.attributes) > 0 {
		return nil
	}
	var r []pixels
	for i := range 4 {
		r = append(r, pixels{made: pixelsAxis, of: n.in[0], i: i, whole: true})
	}
	return r
}

func (d *decoder) pixelsGather(n *node) []pixels {
	if len(n.in) != 2 || slices.ContainsFunc(n.attributes, func(a attribute) bool { return a.name == "axis" && a.i != 0 && a.i != -1 }) {
		return nil
	}
	from := d.pixelsOf(n.in[0])
	var r []pixels
	indexes, ok := d.wholeNumbers(n.in[1])
	if !ok {
		return nil
	}
	for _, i := range indexes {
		i, err := axis(i, len(from))
		if err != nil {
			return nil
		}
		r = append(r, from[i])
	}
	return r
}

func (d *decoder) pixelsSlice(n *node) []pixels {
	from := d.pixelsOf(n.in[0])
	copied := *n
	copied.attributes = slices.Clone(n.attributes)
	op, err := d.slicing(&copied, 1)
	if err != nil || len(op.Axes) != 1 || len(op.Starts) != 1 || len(op.Ends) != 1 || len(op.Steps) != 1 || op.Steps[0] == 0 || len(from) == 0 {
		return nil
	}
	first, count, step := op.Range(0, len(from))
	var r []pixels
	for i := range count {
		r = append(r, from[first+i*step])
	}
	return r
}

func (d *decoder) pixelsConcat(n *node) []pixels {
	if slices.ContainsFunc(n.attributes, func(a attribute) bool { return a.name == "axis" && a.i != 0 && a.i != -1 }) {
		return nil
	}
	var r []pixels
	for _, name := range n.in {
		p := d.pixelsOf(name)
		if len(p) == 0 || len(r)+len(p) > maxAxes {
			return nil
		}
		r = append(r, p...)
	}
	return r
}

// pixelsOne gives one number another shape.
func (d *decoder) pixelsOne(n *node) []pixels {
	if p := d.pixelsOf(n.in[0]); len(p) == 1 {
		return p
	}
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
