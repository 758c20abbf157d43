package graph

// Softmax is eˣ/Σeˣ over the last axis.
type Softmax struct{}

// Kind implements [Op].
func (Softmax) Kind() string { return "Softmax" }

// Traits implements [Op].
func (Softmax) Traits() Traits { return 0 }

func (Softmax) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1, 2); err != nil {
		return Type{}, err
	}
	return unary(in)
}
