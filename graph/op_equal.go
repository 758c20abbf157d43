package graph

// Equal is whether x = y, a [Bool], broadcast as NumPy does. NaN is equal to nothing.
type Equal struct{}

// Kind implements [Op].
func (Equal) Kind() string { return "Equal" }

// Traits implements [Op].
func (Equal) Traits() Traits { return Decides }

func (Equal) infer(in []Type) (Type, error) { return truth(broadcast(in)) }
