package graph

import "fmt"

// Reduction is what the operators have in common that make one element of all those which
// differ in some axes only. The axes are counted from the end (−1 is the last), ascend and are
// one at least. With KeepDims they stay, of size 1.
type Reduction struct {
	Axes     []int `json:"axes"`
	KeepDims bool  `json:"keepdims"`
}

// Reduces reports for each axis of a shape of so many whether it is one of o's.
func (o Reduction) Reduces(rank int) []bool {
	r := make([]bool, rank)
	for _, a := range o.Axes {
		r[rank+a] = true
	}
	return r
}

// floats is infer for operands that must be floats.
func (o Reduction) floats(in []Type) (Type, error) {
	if _, err := unary(in); err != nil {
		return Type{}, err
	}
	return o.infer(in)
}

func (o Reduction) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1); err != nil {
		return Type{}, err
	}
	if in[0].DType == Bool {
		return Type{}, fmt.Errorf("%w: operand of bool, want numbers", ErrUnsupported)
	}
	s := in[0].Shape
	if err := checkAxes(o.Axes, s); err != nil {
		return Type{}, err
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

// checkAxes checks that axes of a shape are as [Reduction] has them.
func checkAxes(axes []int, s Shape) error {
	for i, a := range axes {
		if a < -len(s) || a > -1 || i > 0 && a <= axes[i-1] {
			return fmt.Errorf("%w: axes %v of %v, want some counted from the end that ascend", ErrShape, axes, s)
		}
	}
	if len(axes) == 0 {
		return fmt.Errorf("%w: no axes", ErrShape)
	}
	return nil
}

func (o Reduction) reads(in []Type) (axes Shape) {
	s := in[0].Shape
	for i, reduced := range o.Reduces(len(s)) {
		if reduced {
			axes = append(axes, s[i])
		}
	}
	return axes
}
