package graph

// Floor is the largest whole number that is no more than x.
type Floor struct{}

// Kind implements [Op].
func (Floor) Kind() string { return "Floor" }

// Traits implements [Op].
func (Floor) Traits() Traits { return Decides }

func (Floor) infer(in []Type) (Type, error) { return unary(in) }
