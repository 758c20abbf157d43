package graph

import "fmt"

// Not is true where a value of [Bool] is false.
type Not struct{}

// Kind implements [Op].
func (Not) Kind() string { return "Not" }

// Traits implements [Op].
func (Not) Traits() Traits { return 0 }

func (Not) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1); err != nil {
		return Type{}, err
	}
	if in[0].DType != Bool {
		return Type{}, fmt.Errorf("%w: operand of %v, want bool", ErrShape, in[0].DType)
	}
	return in[0], nil
}
