package graph

// And is whether both of two values of [Bool] are true, broadcast as NumPy does.
type And struct{}

// Kind implements [Op].
func (And) Kind() string { return "And" }

// Traits implements [Op].
func (And) Traits() Traits { return 0 }

func (And) infer(in []Type) (Type, error) { return logical(in) }
