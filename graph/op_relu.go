package graph

// Relu is max(x, 0).
type Relu struct{}

// Kind implements [Op].
func (Relu) Kind() string { return "Relu" }

// Traits implements [Op].
func (Relu) Traits() Traits { return Activation | Homogeneous | Quantizable }

func (Relu) infer(in []Type) (Type, error) { return unary(in) }
