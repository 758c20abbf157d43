package graph

// Div is the quotient of two values, broadcast as NumPy does.
type Div struct{}

// Kind implements [Op].
func (Div) Kind() string { return "Div" }

// Traits implements [Op].
func (Div) Traits() Traits { return Arithmetic }

func (Div) infer(in []Type) (Type, error) { return broadcast(in) }
