package graph

// Round is the whole number nearest to x, of two the even one.
type Round struct{}

// Kind implements [Op].
func (Round) Kind() string { return "Round" }

// Traits implements [Op].
func (Round) Traits() Traits { return Decides }

func (Round) infer(in []Type) (Type, error) { return unary(in) }
