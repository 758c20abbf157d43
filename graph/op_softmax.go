package graph

import "fmt"

// Softmax is eˣ/Σeˣ over an axis.
type Softmax struct {
	// Axis is counted from the end: −1 is the last one, which 0 means too. See [Softmax.Of].
	Axis int `json:"axis,omitzero"`
}

// Of returns the axis in a shape of so many axes, counted from the front.
func (o Softmax) Of(rank int) int {
	if o.Axis == 0 {
		return rank - 1
	}
	return rank + o.Axis
}

// Kind implements [Op].
func (Softmax) Kind() string { return "Softmax" }

// Traits implements [Op].
func (Softmax) Traits() Traits { return 0 }

func (o Softmax) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1); err != nil {
		return Type{}, err
	}
	if axis := o.Of(len(in[0].Shape)); o.Axis > 0 || axis < 0 {
		return Type{}, fmt.Errorf("%w: axis %d of %v, want one counted from the end", ErrShape, o.Axis, in[0].Shape)
	}
	return unary(in)
}
