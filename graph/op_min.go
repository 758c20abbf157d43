package graph

// Min is the smaller of two values, broadcast as NumPy does; NaN where one is NaN.
type Min struct{}

// Kind implements [Op].
func (Min) Kind() string { return "Min" }

// Traits implements [Op].
func (Min) Traits() Traits { return 0 }

func (Min) infer(in []Type) (Type, error) { return ordered(in) }
