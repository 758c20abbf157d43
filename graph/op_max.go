package graph

// Max is the larger of two values, broadcast as NumPy does; NaN where one is NaN.
type Max struct{}

// Kind implements [Op].
func (Max) Kind() string { return "Max" }

// Traits implements [Op].
func (Max) Traits() Traits { return 0 }

func (Max) infer(in []Type) (Type, error) { return ordered(in) }
