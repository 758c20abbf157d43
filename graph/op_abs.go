package graph

// Abs is |x|.
type Abs struct{}

// Kind implements [Op].
func (Abs) Kind() string { return "Abs" }

// Traits implements [Op].
func (Abs) Traits() Traits { return 0 }

func (Abs) infer(in []Type) (Type, error) { return unary(in) }
