package graph

import (
	"fmt"
	"math"
	"slices"
)

// PostprocessMasks brings masks of a padded square to the size of the image in it, as Segment
// Anything's postprocess_masks does (arXiv 2304.02643): the masks become Size×Size, what is padding
// is cut off, and the rest becomes Height×Width. Both steps are bilinear, with the places of
// [Resize]'s half_pixel.
//
//	inputs: x N×C×h×w, optional the image's height and width, two float32, an input of the graph
//	output: N×C×Height×Width
//
// Where there is a second operand, its values are height and width: see [Graph.Sized].
type PostprocessMasks struct {
	Size   int `json:"size"` // of the square, to which the image's longer side was brought
	Height int `json:"height,omitzero"`
	Width  int `json:"width,omitzero"`
}

// Kind implements [Op].
func (PostprocessMasks) Kind() string { return "PostprocessMasks" }

// Traits implements [Op]. The second operand is a size.
func (PostprocessMasks) Traits() Traits { return Coordinates }

// Crop returns the rows and columns of the square that are the image's, computed in float32 as
// segment_anything's ONNX model does.
func (o PostprocessMasks) Crop() (rows, columns int) {
	scale := float32(o.Size) / float32(max(o.Height, o.Width))
	side := func(n int) int { return int(math.Floor(float64(float32(float32(n)*scale) + 0.5))) }
	return side(o.Height), side(o.Width)
}

func (o PostprocessMasks) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 2, 4); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	if o.Size < 1 || o.Size > maxAxis || o.Height < 0 || o.Width < 0 || o.Height > maxAxis || o.Width > maxAxis {
		return Type{}, fmt.Errorf("%w: a square of %d and an image of %d×%d", ErrShape, o.Size, o.Height, o.Width)
	}
	s := slices.Clone(in[0].Shape)
	if len(in) == 2 {
		if !slices.Equal(in[1].Shape, FixedShape(2)) || o.Height != 0 || o.Width != 0 {
			return Type{}, fmt.Errorf("%w: sizes of shape %v and %d×%d, want one that says height and width", ErrShape, in[1].Shape, o.Height, o.Width)
		}
		s[2], s[3] = Dim{Div: 1}, Dim{Div: 1}
		return Type{in[0].DType, s}, nil
	}
	if o.Height < 1 || o.Width < 1 {
		return Type{}, fmt.Errorf("%w: an image of %d×%d, want 1 pixel or more", ErrShape, o.Height, o.Width)
	}
	if rows, columns := o.Crop(); rows < 1 || columns < 1 || rows > o.Size || columns > o.Size {
		return Type{}, fmt.Errorf("%w: an image of %d×%d takes %d×%d pixels of a square of %d, want 1 at least", ErrUnsupported, o.Height, o.Width, rows, columns, o.Size)
	}
	s[2], s[3] = Fixed(o.Height), Fixed(o.Width)
	return Type{in[0].DType, s}, nil
}

// reads is that of the second step; the first, to a square, takes as long as an image of that size.
func (PostprocessMasks) reads([]Type) Shape { return FixedShape(2, 2) }

// trainable is 1: sizes are not.
func (PostprocessMasks) trainable() int { return 1 }

// sizedBy returns the input of the graph whose values are the size of the node's result; nil where it
// depends on none.
func (n *Node) sizedBy() *Value {
	if _, ok := n.Op.(PostprocessMasks); ok && len(n.Inputs) == 2 {
		return n.Inputs[1]
	}
	return nil
}

// Sizes returns what the values of inputs, one for each of the graph, say about sizes: height and
// width for each [PostprocessMasks] with two operands; nil for most graphs. The error wraps [ErrShape]
// where they are not sizes.
func (g *Graph) Sizes(inputs []*Tensor) ([]int, error) {
	var sizes []int
	for _, n := range g.Nodes {
		v := n.sizedBy()
		if v == nil {
			continue
		}
		i := slices.Index(g.Inputs, v)
		if i < 0 || i >= len(inputs) || inputs[i] == nil || inputs[i].Len() != 2 {
			return nil, fmt.Errorf("%w: %s (%s): no height and width in %q", ErrShape, n.Name(), n.Op.Kind(), v.Name)
		}
		for _, size := range inputs[i].Float64s() {
			if !(size >= 1 && size <= maxAxis) || size != math.Trunc(size) {
				return nil, fmt.Errorf("%w: input %q says that the image has a side of %v, want a whole number from 1", ErrShape, v.Name, size)
			}
			sizes = append(sizes, int(size))
		}
	}
	return sizes, nil
}

// Sized returns the graph for values of inputs from which [Graph.Sizes] read the sizes given: its
// shapes can be derived from those of the inputs. It shares with g all values, and all nodes but those
// concerned; where there are no sizes, it is g.
func (g *Graph) Sized(sizes []int) *Graph {
	if len(sizes) == 0 {
		return g
	}
	s := *g
	s.Nodes = slices.Clone(g.Nodes)
	for i, n := range s.Nodes {
		if n.sizedBy() != nil {
			op := n.Op.(PostprocessMasks)
			op.Height, op.Width = sizes[0], sizes[1]
			sizes = sizes[2:]
			s.Nodes[i] = &Node{Op: op, Inputs: n.Inputs[:1], Output: n.Output}
		}
	}
	return &s
}
