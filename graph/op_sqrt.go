package graph

// Sqrt is √x.
type Sqrt struct{}

// Kind implements [Op].
func (Sqrt) Kind() string { return "Sqrt" }

// Traits implements [Op].
func (Sqrt) Traits() Traits { return 0 }

func (Sqrt) infer(in []Type) (Type, error) { return unary(in) }
