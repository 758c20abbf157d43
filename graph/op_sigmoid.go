package graph

// Sigmoid is 1/(1+e⁻ˣ).
type Sigmoid struct{}

// Kind implements [Op].
func (Sigmoid) Kind() string { return "Sigmoid" }

// Traits implements [Op].
func (Sigmoid) Traits() Traits { return Activation | Quantizable }

func (Sigmoid) infer(in []Type) (Type, error) { return unary(in) }
