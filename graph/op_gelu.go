package graph

// Gelu is x·Φ(x) = x/2·(1+erf(x/√2)), the exact form (arXiv 1606.08415).
type Gelu struct{}

// Kind implements [Op].
func (Gelu) Kind() string { return "Gelu" }

// Traits implements [Op].
func (Gelu) Traits() Traits { return Activation | Quantizable }

func (Gelu) infer(in []Type) (Type, error) { return unary(in) }
