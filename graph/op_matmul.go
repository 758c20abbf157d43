package graph

import (
	"fmt"
	"slices"
)

// MatMul is x·W over the last axis of x.
//
//	inputs: x …×K, weight K×M
//	output: …×M
type MatMul struct{}

// Kind implements [Op].
func (MatMul) Kind() string { return "MatMul" }

// Traits implements [Op].
func (MatMul) Traits() Traits { return Linear }

func (MatMul) infer(in []Type) (Type, error) {
	if err := arity(in, 2, 2, 2, 3, 4); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	x, w := in[0].Shape, in[1].Shape
	if len(w) != 2 {
		return Type{}, fmt.Errorf("%w: weight of shape %v, want K×M", ErrUnsupported, w)
	}
	last := len(x) - 1
	if _, ok := unify(x[last], w[0]); !ok {
		return Type{}, fmt.Errorf("%w: input of %v features, weight %v takes %v", ErrShape, x[last], w, w[0])
	}
	s := slices.Clone(x)
	s[last] = w[1]
	return Type{in[0].DType, s}, nil
}

func (MatMul) each(in []Type) Shape { return in[1].Shape[:1] }
