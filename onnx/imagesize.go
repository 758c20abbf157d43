package onnx

import (
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// How segmenters are prompted on images of any size ([graph.PostprocessMasks]) other programs spell each in
// its own way. What matters is what becomes of the image's size, an input of the graph, and that Resizes and
// Slices take their sizes from it: here it is followed through the nodes.

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
