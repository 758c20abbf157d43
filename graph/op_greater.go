package graph

// Greater is whether x > y, a [Bool], broadcast as NumPy does. Nothing is greater than NaN.
type Greater struct{}

// Kind implements [Op].
func (Greater) Kind() string { return "Greater" }

// Traits implements [Op].
func (Greater) Traits() Traits { return Decides }

func (Greater) infer(in []Type) (Type, error) { return truth(ordered(in)) }
