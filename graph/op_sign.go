package graph

// Sign is 1 where x is positive, −1 where it is negative, else x: 0 or NaN.
type Sign struct{}

// Kind implements [Op].
func (Sign) Kind() string { return "Sign" }

// Traits implements [Op].
func (Sign) Traits() Traits { return Decides }

func (Sign) infer(in []Type) (Type, error) { return unary(in) }
