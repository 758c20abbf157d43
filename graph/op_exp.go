package graph

// Exp is eˣ.
type Exp struct{}

// Kind implements [Op].
func (Exp) Kind() string { return "Exp" }

// Traits implements [Op].
func (Exp) Traits() Traits { return 0 }

func (Exp) infer(in []Type) (Type, error) { return unary(in) }
