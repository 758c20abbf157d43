package graph

// LeakyRelu is x, and Alpha·x where x is negative.
type LeakyRelu struct {
	Alpha float64 `json:"alpha"`
}

// Kind implements [Op].
func (LeakyRelu) Kind() string { return "LeakyRelu" }

// Traits implements [Op].
func (LeakyRelu) Traits() Traits { return 0 }

func (o LeakyRelu) infer(in []Type) (Type, error) {
	if err := finite(o.Alpha); err != nil {
		return Type{}, err
	}
	return unary(in)
}
