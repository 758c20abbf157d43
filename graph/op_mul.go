package graph

// Mul is the product of two values, broadcast as NumPy does.
type Mul struct{}

// Kind implements [Op].
func (Mul) Kind() string { return "Mul" }

// Traits implements [Op].
func (Mul) Traits() Traits { return Arithmetic | Quantizable }

func (Mul) infer(in []Type) (Type, error) { return broadcast(in) }
