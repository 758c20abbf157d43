package graph

// Add is the sum of two values, broadcast as NumPy does.
type Add struct{}

// Kind implements [Op].
func (Add) Kind() string { return "Add" }

// Traits implements [Op].
func (Add) Traits() Traits { return Arithmetic | Quantizable }

func (Add) infer(in []Type) (Type, error) { return broadcast(in) }
