package graph

// Neg is −x.
type Neg struct{}

// Kind implements [Op].
func (Neg) Kind() string { return "Neg" }

// Traits implements [Op].
func (Neg) Traits() Traits { return 0 }

func (Neg) infer(in []Type) (Type, error) { return unary(in) }
