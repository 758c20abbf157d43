package graph

import (
	"fmt"
	"slices"
)

// Mean is the arithmetic mean of one or more values of the same shape.
type Mean struct{}

// Kind implements [Op].
func (Mean) Kind() string { return "Mean" }

// Traits implements [Op].
func (Mean) Traits() Traits { return 0 }

func (Mean) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1<<16); err != nil {
		return Type{}, err
	}
	for _, t := range in[1:] {
		if _, err := broadcast([]Type{in[0], t}); err != nil {
			return Type{}, err
		}
		if !slices.Equal(t.Shape, in[0].Shape) {
			return Type{}, fmt.Errorf("%w: operands %v and %v, want equal shapes", ErrUnsupported, in[0], t)
		}
	}
	return in[0], sameFloats(in)
}
