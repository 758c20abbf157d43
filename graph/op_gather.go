package graph

import (
	"fmt"
	"slices"
)

// Gather takes the elements at a list of indexes along an axis, counted from the front. Negative
// indexes count from the end.
//
//	inputs: x, indexes of integers along one axis, which are constants
//	output: x, its axis as long as the list
type Gather struct {
	Axis int `json:"axis"`
}

// Kind implements [Op].
func (Gather) Kind() string { return "Gather" }

// Traits implements [Op].
func (Gather) Traits() Traits { return Selects }

func (o Gather) infer(in []Type) (Type, error) {
	if err := arity(in, 2, 2); err != nil {
		return Type{}, err
	}
	s, list := slices.Clone(in[0].Shape), in[1]
	if o.Axis < 0 || o.Axis >= len(s) {
		return Type{}, fmt.Errorf("%w: axis %d of %v", ErrShape, o.Axis, s)
	}
	if list.DType != Int64 && list.DType != Int32 || len(list.Shape) != 1 {
		return Type{}, fmt.Errorf("%w: indexes %v, want integers along one axis", ErrUnsupported, list)
	}
	s[o.Axis] = list.Shape[0]
	return Type{in[0].DType, s}, nil
}

// trainable is 1: the indexes are not.
func (Gather) trainable() int { return 1 }
