package graph

import "fmt"

// ReduceMean is the arithmetic mean over axes, which are counted from the end (−1 is the
// last), ascend and are one at least. With KeepDims they stay, of size 1.
type ReduceMean struct {
	Axes     []int `json:"axes"`
	KeepDims bool  `json:"keepdims"`
}

// Kind implements [Op].
func (ReduceMean) Kind() string { return "ReduceMean" }

// Traits implements [Op].
func (ReduceMean) Traits() Traits { return 0 }

// Reduces reports for each axis of a shape of so many whether the mean goes over it.
func (o ReduceMean) Reduces(rank int) []bool {
	r := make([]bool, rank)
	for _, a := range o.Axes {
		r[rank+a] = true
	}
	return r
}

func (o ReduceMean) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	for i, a := range o.Axes {
		if a < -len(s) || a > -1 || i > 0 && a <= o.Axes[i-1] {
			return Type{}, fmt.Errorf("%w: axes %v of %v, want some counted from the end that ascend", ErrShape, o.Axes, s)
		}
	}
	if len(o.Axes) == 0 {
		return Type{}, fmt.Errorf("%w: no axes", ErrShape)
	}
	out := Shape{}
	for i, reduced := range o.Reduces(len(s)) {
		switch {
		case !reduced:
			out = append(out, s[i])
		case o.KeepDims:
			out = append(out, Fixed(1))
		}
	}
	return Type{in[0].DType, out}, nil
}

func (o ReduceMean) reads(in []Type) (axes Shape) {
	s := in[0].Shape
	for i, reduced := range o.Reduces(len(s)) {
		if reduced {
			axes = append(axes, s[i])
		}
	}
	return axes
}
