package graph

import "fmt"

// Cast converts the elements' type.
type Cast struct {
	To DType `json:"to"`
}

// Kind implements [Op].
func (Cast) Kind() string { return "Cast" }

// Traits implements [Op].
func (Cast) Traits() Traits { return Converts }

func (o Cast) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1); err != nil {
		return Type{}, err
	}
	if !o.To.Valid() {
		return Type{}, fmt.Errorf("%w: cast to %v", ErrShape, o.To)
	}
	return Type{o.To, in[0].Shape}, nil
}
