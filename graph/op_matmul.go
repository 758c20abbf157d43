package graph

import "fmt"

// MatMul is the matrix product over the last axis of x and the last but one of w. The axes
// before are broadcast as NumPy does, so that a w of two axes is one for all.
//
//	inputs: x …×M×K, w …×K×N
//	output: …×M×N
type MatMul struct{}

// Kind implements [Op].
func (MatMul) Kind() string { return "MatMul" }

// Traits implements [Op].
func (MatMul) Traits() Traits { return Linear }

func (MatMul) infer(in []Type) (Type, error) {
	if err := arity(in, 2, 2); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	x, w := in[0].Shape, in[1].Shape
	if len(x) < 2 || len(w) < 2 {
		return Type{}, fmt.Errorf("%w: operands of shape %v and %v, want two axes at least", ErrUnsupported, x, w)
	}
	m, k := x[len(x)-2], w[len(w)-2]
	if _, ok := unify(x[len(x)-1], k); !ok {
		return Type{}, fmt.Errorf("%w: input of %v features, weight %v takes %v", ErrShape, x[len(x)-1], w, k)
	}
	batch, err := broadcast([]Type{{in[0].DType, x[:len(x)-2]}, {in[0].DType, w[:len(w)-2]}})
	if err != nil {
		return Type{}, err
	}
	return Type{in[0].DType, append(batch.Shape, m, w[len(w)-1])}, nil
}

func (MatMul) each(in []Type) Shape {
	w := in[1].Shape
	return w[len(w)-2 : len(w)-1]
}
