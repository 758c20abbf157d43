package graph

import (
	"fmt"
	"slices"
)

// LayerNorm is (x − mean)/√(variance + Epsilon)·scale + bias, with the mean and the biased
// variance of all elements that differ in some axes only (arXiv 1607.06450): the last ones, or
// the channels of N×C×H×W. It is ONNX's LayerNormalization.
//
//	inputs: x, scale, bias (may be missing), both with x's sizes on the axes and 1 between and
//	behind them: C for the last axis, C×1×1 for channels
type LayerNorm struct {
	// Axes are counted from the end and ascend, as those of a [Reduction].
	Axes    []int   `json:"axes"`
	Epsilon float64 `json:"epsilon"`
}

// Kind implements [Op].
func (LayerNorm) Kind() string { return "LayerNormalization" }

// Traits implements [Op].
func (LayerNorm) Traits() Traits { return 0 }

// Channels reports whether the operator goes over the channels of N×C×H×W, else it goes over
// the last axes.
func (o LayerNorm) Channels() bool { return len(o.Axes) == 1 && o.Axes[0] == -3 }

// Weight returns the shape of scale and bias for an operand of a shape.
func (o LayerNorm) Weight(s Shape) Shape {
	w := slices.Clone(s[len(s)+o.Axes[0]:])
	if o.Channels() {
		w[1], w[2] = Fixed(1), Fixed(1)
	}
	return w
}

func (o LayerNorm) infer(in []Type) (Type, error) {
	if err := finite(o.Epsilon); err != nil {
		return Type{}, err
	}
	if err := arity(in, 2, 3); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	if err := checkAxes(o.Axes, s); err != nil {
		return Type{}, err
	}
	if o.Channels() && len(s) != 4 || !o.Channels() && o.Axes[0] != -len(o.Axes) {
		return Type{}, fmt.Errorf("%w: axes %v of %v, want the last ones or those of channels", ErrUnsupported, o.Axes, s)
	}
	want := o.Weight(s)
	for _, w := range in[1:] {
		if !slices.Equal(w.Shape, want) {
			return Type{}, fmt.Errorf("%w: a weight of shape %v, want %v", ErrUnsupported, w.Shape, want)
		}
	}
	return in[0], nil
}
