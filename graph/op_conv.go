package graph

import "fmt"

// Conv is a two-dimensional cross-correlation.
//
//	inputs: x N×Cin×H×W, weight Cout×Cin/Group×Kh×Kw, optional bias Cout
//	output: N×Cout×Ho×Wo
type Conv struct {
	Strides [2]int `json:"strides"` // rows, columns
	Pads    [4]int `json:"pads"`    // zeros added: top, left, bottom, right
	Group   int    `json:"group"`
	// Dilations are how far apart the kernel's taps are, rows and columns; 0 means 1. See
	// [Conv.Dilation].
	Dilations [2]int `json:"dilations,omitzero"`
}

// Dilation returns how far apart the kernel's taps are, 1 at least in a valid graph.
func (o Conv) Dilation() [2]int {
	d := o.Dilations
	for i := range d {
		if d[i] == 0 {
			d[i] = 1
		}
	}
	return d
}

// Kind implements [Op].
func (Conv) Kind() string { return "Conv" }

// Traits implements [Op].
func (Conv) Traits() Traits { return Linear | Quantizable }

func (o Conv) infer(in []Type) (Type, error) {
	if err := arity(in, 2, 3, 4); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	x, w := in[0].Shape, in[1].Shape
	k, known := w.Ints()
	if !known {
		return Type{}, fmt.Errorf("%w: weight of shape %v, want one that is known", ErrUnsupported, w)
	}
	if len(k) != 4 || k[0] < 1 || k[1] < 1 || k[2] < 1 || k[3] < 1 {
		return Type{}, fmt.Errorf("%w: weight of shape %v, want Cout×Cin/group×Kh×Kw", ErrShape, w)
	}
	if o.Group < 1 || k[0]%o.Group != 0 || k[1] > maxAxis/o.Group {
		return Type{}, fmt.Errorf("%w: %d output channels in %d groups", ErrShape, k[0], o.Group)
	}
	if _, ok := unify(x[1], Fixed(k[1]*o.Group)); !ok {
		return Type{}, fmt.Errorf("%w: input of %v channels, weight %v in %d groups takes %d", ErrShape, x[1], w, o.Group, k[1]*o.Group)
	}
	if len(in) == 3 {
		if err := vector("bias", in[2], Fixed(k[0])); err != nil {
			return Type{}, err
		}
	}
	for i, d := range o.Dilation() {
		if d < 1 || d > maxAxis/k[i+2] {
			return Type{}, fmt.Errorf("%w: dilations %v", ErrShape, o.Dilations)
		}
		k[i+2] = (k[i+2]-1)*d + 1
	}
	h, err := slide(x[2], k[2], o.Strides[0], o.Pads[0], o.Pads[2], false)
	if err != nil {
		return Type{}, err
	}
	v, err := slide(x[3], k[3], o.Strides[1], o.Pads[1], o.Pads[3], false)
	if err != nil {
		return Type{}, err
	}
	return Type{in[0].DType, Shape{x[0], Fixed(k[0]), h, v}}, nil
}

func (Conv) each(in []Type) Shape { return in[1].Shape[1:] }
