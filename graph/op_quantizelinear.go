package graph

import "fmt"

// QuantizeLinear is saturate(round(x/scale) + zero point), ties to even, to the zero
// point's type.
//
//	inputs: x, scale (scalar, or one for each index of Axis), zero point like scale
type QuantizeLinear struct {
	Axis int `json:"axis"` // of a scale that is not a scalar
}

// Kind implements [Op].
func (QuantizeLinear) Kind() string { return "QuantizeLinear" }

// Traits implements [Op].
func (QuantizeLinear) Traits() Traits { return Converts }

func (o QuantizeLinear) infer(in []Type) (Type, error) {
	if err := quantization(in, o.Axis); err != nil {
		return Type{}, err
	}
	if d := in[2].DType; !in[0].DType.IsFloat() || (d != Int8 && d != Uint8) {
		return Type{}, fmt.Errorf("%w: %v to %v, want a float to int8 or uint8", ErrUnsupported, in[0].DType, d)
	}
	return Type{in[2].DType, in[0].Shape}, nil
}

func (QuantizeLinear) trainable() int { return 1 }
