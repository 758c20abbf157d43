package graph

// BatchNorm is batch normalisation with its running statistics, over axis 1 of N×C or
// N×C×H×W: (x−mean)/√(variance+Epsilon)·scale + bias.
//
//	inputs: x, scale C, bias C, mean C, variance C
type BatchNorm struct {
	Epsilon float64 `json:"epsilon"`
}

// Kind implements [Op].
func (BatchNorm) Kind() string { return "BatchNormalization" }

// Traits implements [Op].
func (BatchNorm) Traits() Traits { return 0 }

func (BatchNorm) infer(in []Type) (Type, error) {
	if err := arity(in, 5, 5, 2, 4); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	for i, what := range []string{"scale", "bias", "mean", "variance"} {
		if err := vector(what, in[i+1], in[0].Shape[1]); err != nil {
			return Type{}, err
		}
	}
	return in[0], nil
}

// trainable leaves out mean and variance, which PyTorch keeps as buffers.
func (BatchNorm) trainable() int { return 3 }
