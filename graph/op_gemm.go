package graph

import "fmt"

// Gemm is the fully connected layer x·Wᵀ + b.
//
//	inputs: x N×K, weight M×K, optional bias M
//	output: N×M
type Gemm struct{}

// Kind implements [Op].
func (Gemm) Kind() string { return "Gemm" }

// Traits implements [Op].
func (Gemm) Traits() Traits { return Linear | Quantizable }

func (Gemm) infer(in []Type) (Type, error) {
	if err := arity(in, 2, 3, 2); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	x, w := in[0].Shape, in[1].Shape
	if len(w) != 2 {
		return Type{}, fmt.Errorf("%w: weight of shape %v, want M×K", ErrShape, w)
	}
	if _, ok := unify(x[1], w[1]); !ok {
		return Type{}, fmt.Errorf("%w: input of %v features, weight %v takes %v", ErrShape, x[1], w, w[1])
	}
	if len(in) == 3 {
		if b := in[2].Shape; len(b) != 1 || b[0] == Fixed(1) && w[0] != b[0] {
			return Type{}, fmt.Errorf("%w: bias of shape %v, want %v elements", ErrUnsupported, b, w[0])
		}
		if err := vector("bias", in[2], w[0]); err != nil {
			return Type{}, err
		}
	}
	return Type{in[0].DType, Shape{x[0], w[0]}}, nil
}

func (Gemm) each(in []Type) Shape { return in[1].Shape[1:] }
