package graph

// HardSigmoid is min(max(Alpha·x + Beta, 0), 1). That of PyTorch has 1/6 and 1/2.
type HardSigmoid struct {
	Alpha float64 `json:"alpha"`
	Beta  float64 `json:"beta"`
}

// Kind implements [Op].
func (HardSigmoid) Kind() string { return "HardSigmoid" }

// Traits implements [Op].
func (HardSigmoid) Traits() Traits { return Activation | Quantizable }

func (o HardSigmoid) infer(in []Type) (Type, error) {
	if err := finite(o.Alpha, o.Beta); err != nil {
		return Type{}, err
	}
	return unary(in)
}
