package graph

// Ceil is the smallest whole number that is no less than x.
type Ceil struct{}

// Kind implements [Op].
func (Ceil) Kind() string { return "Ceil" }

// Traits implements [Op].
func (Ceil) Traits() Traits { return Decides }

func (Ceil) infer(in []Type) (Type, error) { return unary(in) }
