package graph

// Sub is the difference of two values, broadcast as NumPy does.
type Sub struct{}

// Kind implements [Op].
func (Sub) Kind() string { return "Sub" }

// Traits implements [Op].
func (Sub) Traits() Traits { return Arithmetic }

func (Sub) infer(in []Type) (Type, error) { return broadcast(in) }
