package graph

import "fmt"

// Transpose permutes the axes: axis i of the output is axis Perm[i] of x.
type Transpose struct {
	Perm []int `json:"perm"`
}

// Kind implements [Op].
func (Transpose) Kind() string { return "Transpose" }

// Traits implements [Op].
func (Transpose) Traits() Traits { return Selects }

func (o Transpose) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1); err != nil {
		return Type{}, err
	}
	if len(in[0].Shape) != len(o.Perm) {
		return Type{}, fmt.Errorf("%w: operand of shape %v, permutation %v", ErrShape, in[0].Shape, o.Perm)
	}
	s := make(Shape, len(o.Perm))
	seen := make([]bool, len(o.Perm))
	for i, p := range o.Perm {
		if p < 0 || p >= len(seen) || seen[p] {
			return Type{}, fmt.Errorf("%w: %v is not a permutation", ErrShape, o.Perm)
		}
		seen[p] = true
		s[i] = in[0].Shape[p]
	}
	return Type{in[0].DType, s}, nil
}
