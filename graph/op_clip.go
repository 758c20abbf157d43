package graph

import "math"

// Clip is min(max(x, Min), Max). ReLU6 is that of 0 and 6. A side without a bound has
// float32's largest number there, as ONNX defines it: see [Unclipped].
type Clip struct {
	Min float64 `json:"min"`
	Max float64 `json:"max"`
}

// Unclipped is the magnitude of a bound that is none.
const Unclipped = math.MaxFloat32

// Kind implements [Op].
func (Clip) Kind() string { return "Clip" }

// Traits implements [Op].
func (Clip) Traits() Traits { return Activation | Quantizable }

func (o Clip) infer(in []Type) (Type, error) {
	if err := finite(o.Min, o.Max); err != nil {
		return Type{}, err
	}
	return unary(in)
}
