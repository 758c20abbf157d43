package graph

// HardSwish is x·min(max(x/6 + 1/2, 0), 1) (arXiv 1905.02244).
type HardSwish struct{}

// Kind implements [Op].
func (HardSwish) Kind() string { return "HardSwish" }

// Traits implements [Op].
func (HardSwish) Traits() Traits { return Activation | Quantizable }

func (HardSwish) infer(in []Type) (Type, error) { return unary(in) }
