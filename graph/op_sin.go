package graph

// Sin is the sine of x, in radians.
type Sin struct{}

// Kind implements [Op].
func (Sin) Kind() string { return "Sin" }

// Traits implements [Op].
func (Sin) Traits() Traits { return 0 }

func (Sin) infer(in []Type) (Type, error) { return unary(in) }
