package graph

// Pow is x to the power of y, broadcast as NumPy does.
type Pow struct{}

// Kind implements [Op].
func (Pow) Kind() string { return "Pow" }

// Traits implements [Op].
func (Pow) Traits() Traits { return Arithmetic }

func (Pow) infer(in []Type) (Type, error) { return broadcast(in) }
