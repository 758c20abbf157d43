package graph

// Erf is the error function, 2/√π·∫₀ˣ e^(−t²) dt.
type Erf struct{}

// Kind implements [Op].
func (Erf) Kind() string { return "Erf" }

// Traits implements [Op].
func (Erf) Traits() Traits { return 0 }

func (Erf) infer(in []Type) (Type, error) { return unary(in) }
