package graph

// Cos is the cosine of x, in radians.
type Cos struct{}

// Kind implements [Op].
func (Cos) Kind() string { return "Cos" }

// Traits implements [Op].
func (Cos) Traits() Traits { return 0 }

func (Cos) infer(in []Type) (Type, error) { return unary(in) }
