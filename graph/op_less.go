package graph

// Less is whether x < y, a [Bool], broadcast as NumPy does. Nothing is less than NaN.
type Less struct{}

// Kind implements [Op].
func (Less) Kind() string { return "Less" }

// Traits implements [Op].
func (Less) Traits() Traits { return Decides }

func (Less) infer(in []Type) (Type, error) { return truth(ordered(in)) }
