package graph

import (
	"fmt"
	"math"
	"slices"
)

// Concat puts values behind each other along an axis, counted from the front. Their other axes
// are equal.
type Concat struct {
	Axis int `json:"axis"`
}

// Kind implements [Op].
func (Concat) Kind() string { return "Concat" }

// Traits implements [Op].
func (Concat) Traits() Traits { return 0 }

func (o Concat) infer(in []Type) (Type, error) {
	if err := arity(in, 1, math.MaxInt); err != nil {
		return Type{}, err
	}
	if err := sameDType(in); err != nil {
		return Type{}, err
	}
	s := slices.Clone(in[0].Shape)
	if o.Axis < 0 || o.Axis >= len(s) {
		return Type{}, fmt.Errorf("%w: axis %d of %v", ErrShape, o.Axis, s)
	}
	for _, t := range in[1:] {
		if len(t.Shape) != len(s) {
			return Type{}, fmt.Errorf("%w: operands of shape %v and %v", ErrShape, in[0].Shape, t.Shape)
		}
		for i, d := range t.Shape {
			ok := true
			switch {
			case i != o.Axis:
				s[i], ok = unify(s[i], d)
			case !s[i].Known() || !d.Known():
				s[i] = Dim{Div: 1}
			case d.Size > MaxElements-s[i].Size:
				return Type{}, fmt.Errorf("%w: more than %d elements along axis %d", ErrTooLarge, MaxElements, o.Axis)
			default:
				s[i].Size += d.Size
			}
			if !ok {
				return Type{}, fmt.Errorf("%w: operands of shape %v and %v, want one size on all axes but %d", ErrShape, in[0].Shape, t.Shape, o.Axis)
			}
		}
	}
	return Type{in[0].DType, s}, nil
}
