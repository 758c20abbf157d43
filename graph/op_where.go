package graph

import "fmt"

// Where is x where a condition holds, else y, all broadcast as NumPy does.
//
//	inputs: condition ([Bool]), x, y
type Where struct{}

// Kind implements [Op].
func (Where) Kind() string { return "Where" }

// Traits implements [Op].
func (Where) Traits() Traits { return 0 }

func (Where) infer(in []Type) (Type, error) {
	if err := arity(in, 3, 3); err != nil {
		return Type{}, err
	}
	if in[0].DType != Bool {
		return Type{}, fmt.Errorf("%w: condition of %v, want bool", ErrShape, in[0].DType)
	}
	t, err := broadcast(in[1:])
	if err != nil {
		return Type{}, err
	}
	return broadcast([]Type{t, {t.DType, in[0].Shape}})
}
