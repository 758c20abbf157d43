package graph

// Tanh is the hyperbolic tangent.
type Tanh struct{}

// Kind implements [Op].
func (Tanh) Kind() string { return "Tanh" }

// Traits implements [Op].
func (Tanh) Traits() Traits { return 0 }

func (Tanh) infer(in []Type) (Type, error) { return unary(in) }
