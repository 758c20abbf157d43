package graph

// Elu is x, and Alpha·(eˣ − 1) where x is negative.
type Elu struct {
	Alpha float64 `json:"alpha"`
}

// Kind implements [Op].
func (Elu) Kind() string { return "Elu" }

// Traits implements [Op].
func (Elu) Traits() Traits { return 0 }

func (o Elu) infer(in []Type) (Type, error) {
	if err := finite(o.Alpha); err != nil {
		return Type{}, err
	}
	return unary(in)
}
