package graph

import "fmt"

// DequantizeLinear is (x − zero point)·scale.
//
//	inputs: x, scale (scalar, or one for each index of Axis), zero point like scale
type DequantizeLinear struct {
	Axis int `json:"axis"` // of a scale that is not a scalar
}

// Kind implements [Op].
func (DequantizeLinear) Kind() string { return "DequantizeLinear" }

// Traits implements [Op].
func (DequantizeLinear) Traits() Traits { return Converts }

func (o DequantizeLinear) infer(in []Type) (Type, error) {
	if err := quantization(in, o.Axis); err != nil {
		return Type{}, err
	}
	if d := in[0].DType; d != in[2].DType || (d != Int8 && d != Uint8 && d != Int32) {
		return Type{}, fmt.Errorf("%w: %v with a zero point of %v, want int8, uint8 or int32", ErrShape, d, in[2].DType)
	}
	return Type{in[1].DType, in[0].Shape}, nil
}

func (DequantizeLinear) trainable() int { return 1 }
