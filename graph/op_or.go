package graph

// Or is whether one of two values of [Bool] is true, broadcast as NumPy does.
type Or struct{}

// Kind implements [Op].
func (Or) Kind() string { return "Or" }

// Traits implements [Op].
func (Or) Traits() Traits { return 0 }

func (Or) infer(in []Type) (Type, error) { return logical(in) }
