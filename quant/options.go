package quant

import (
	"errors"
	"fmt"
)

// Errors that the package's functions wrap, beside those of package graph.
var (
	ErrNothing     = errors.New("nothing to quantize")       // the scope holds no operator of the graph
	ErrCalibration = errors.New("unusable calibration data") // not finite, or of a shape that does not fit
	ErrOption      = errors.New("unknown option")            // a scope, estimator or number that does not exist
)

// Scope says which operators are computed in int8.
type Scope string

// The scopes.
const (
	// Pointwise quantizes the 1×1 convolutions, the GELU between two of them and the fully
	// connected layers. The residual stream, depthwise convolutions, squeeze-and-excitation
	// and the stem stay float32.
	Pointwise Scope = "pointwise"
	// All quantizes every operator.
	All Scope = "all"
	// Weights stores the weights of convolutions and fully connected layers in int8 and computes in float32: a
	// smaller file, not a faster network. It needs no calibration; inputs are what the loss is measured on.
	Weights Scope = "weights"
)

// ParseScope returns the scope of that name. The error wraps [ErrOption].
func ParseScope(s string) (Scope, error) {
	switch v := Scope(s); v {
	case Pointwise, All, Weights:
		return v, nil
	}
	return "", fmt.Errorf("%w: scope %q, expected %q, %q or %q", ErrOption, s, Pointwise, All, Weights)
}

// Method says how the range of an activation is estimated from calibration data.
type Method string

// The range estimators. Each sees a histogram of all values that calibration produced.
const (
	// MinMax keeps everything that was seen.
	MinMax Method = "minmax"
	// Percentile leaves out 0.01 % of the values at either end.
	Percentile Method = "percentile"
	// MSE makes the error of rounding and clipping least: its mean square, or for Pointwise
	// the mean of its power 2.5, which clips less.
	MSE Method = "mse"
	// Entropy makes the Kullback-Leibler divergence of the quantized values' distribution
	// from that seen least (S. Migacz, "8-bit Inference with TensorRT", GTC 2017).
	Entropy Method = "entropy"
)

// DefaultMethod is the estimator with the least error of the logits among those measured
// (see the package documentation).
const DefaultMethod = MSE

// Methods returns all estimators.
func Methods() []Method { return []Method{MinMax, Percentile, MSE, Entropy} }

// ParseMethod returns the estimator of that name. The error wraps [ErrOption].
func ParseMethod(s string) (Method, error) {
	for _, m := range Methods() {
		if string(m) == s {
			return m, nil
		}
	}
	return "", fmt.Errorf("%w: range estimator %q, expected one of %q", ErrOption, s, Methods())
}

// KeepAuto as [Options].KeepFloat leaves as few layers in float as bring the outputs within
// [AutoSQNR] of the float network's.
const KeepAuto = -1

// AutoSQNR is the ratio over the images held out, in dB, that [KeepAuto] aims at.
const AutoSQNR = 28

// Options say how a network is quantized. The zero value quantizes the 1×1 convolutions
// with the default estimator.
type Options struct {
	Scope  Scope  // Pointwise if empty
	Method Method // DefaultMethod if empty
	// Symmetric makes activations int8 with the zero point 0, as TensorRT and many accelerators
	// want them, in place of uint8 with one that fits. Values of one sign have half the levels then.
	Symmetric bool
	// KeepFloat is how many layers, those that cost the most accuracy, stay float32, or
	// KeepAuto.
	KeepFloat int
	// Keep names further layers that stay float32, by the names of [Report].Layers. A part's name
	// stands for all layers whose names begin with it and a dot.
	Keep []string
	// Sensitivity asks for the SQNR of every layer alone in [Report].Layers, which a
	// KeepFloat other than 0 measures anyway.
	Sensitivity bool
	// Integers quantizes logits as well, and takes the scales that integer kernels of phones prescribe for
	// Sigmoid (1/256) and HardSigmoid (1/255), so that nothing but the network's input and outputs needs floats. The
	// scope must be All.
	Integers bool
	// NoLogits says that the outputs are not rows of logits, whatever their shape: there is no
	// top-1 to agree on.
	NoLogits bool
	// Maps says that a single output of four axes is a map of logits: the top-1 is that of its
	// pixels.
	Maps bool
	// Threads is how many cores are used, 0 for all. The result is the same for any number.
	Threads int
	// Progress, if set, is called from the caller's goroutine as the stages "statistics",
	// "equalize", "calibrate", "round", "sensitivity", "keep float" and "measure" go on.
	Progress func(stage string, done, total int)
}

func (o Options) check() (Options, error) {
	if o.Scope == "" {
		o.Scope = Pointwise
	}
	if o.Method == "" {
		o.Method = DefaultMethod
	}
	if _, err := ParseScope(string(o.Scope)); err != nil {
		return o, err
	}
	if _, err := ParseMethod(string(o.Method)); err != nil {
		return o, err
	}
	kept := o.KeepFloat != 0 || len(o.Keep) > 0
	if o.Integers && (o.Scope != All || kept) {
		return o, fmt.Errorf("%w: integers alone with scope %q, or layers in float, expected scope %q and none", ErrOption, o.Scope, All)
	}
	if o.Scope == Weights && (kept || o.Symmetric) {
		return o, fmt.Errorf("%w: layers in float, or symmetric activations, with scope %q, where all activations are floats", ErrOption, Weights)
	}
	if o.KeepFloat < KeepAuto {
		return o, fmt.Errorf("%w: %d layers to keep in float, expected a number from 0, or %d for automatic", ErrOption, o.KeepFloat, KeepAuto)
	}
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	return o, nil
}

// FewSamples is how many images calibration should have at least. Measured on a RepViT-M0.9
// (see the package documentation): 16 images give 18.8 dB, 64 give 25.2, 128 give 27.1 and
// 256 give 27.9.
const FewSamples = 100

// Sources of calibration data, for [Report].Calibration.
const (
	FromImages    = "images"    // what the caller gave
	FromBatchNorm = "batchnorm" // made-up images, the activations matched to BatchNorm's statistics
	FromNoise     = "noise"     // made-up images alone: the network has no statistics
	NotNeeded     = "none"      // weights alone are rounded
)

// Report says what was done and what it costs.
type Report struct {
	Scheme      string  `json:"scheme"` // what is quantized and how, in words
	Operators   string  `json:"-"`      // of which Scheme says what is quantized
	Numbers     string  `json:"-"`      // and what weights and activations become
	Calibration string  `json:"calibration"`
	Samples     int     `json:"samples"` // inputs that the ranges were estimated on
	HeldOut     int     `json:"held_out"`
	Loss        Loss    `json:"loss"`    // over the inputs held out
	Verdict     Verdict `json:"verdict"` // of made-up inputs at best [Noticeable]
	// Doubt is the worse of the two losses that are measured on made-up inputs, Loss the
	// better: that of the network itself, and that of the network matched to the statistics
	// in the checkpoint, in which the inputs cause the activations of training. What both call
	// unusable is. Where only one does, the network may have been trained at another size.
	// It is zero where inputs were given.
	Doubt     Loss     `json:"doubt"`
	KeptFloat []string `json:"kept_float,omitempty"` // layers, those named first, then the most sensitive first
	Layers    []Layer  `json:"layers"`               // in the network's order
	Ranges    []Range  `json:"ranges"`               // in the network's order
}

// Layer is an operator of the scope.
type Layer struct {
	Name string `json:"name"`
	Kind string `json:"kind"` // its ONNX name
	// SQNR of the outputs with only this layer quantized, in dB, over some of the images held
	// out; 0 where it was not measured.
	SQNR     float64 `json:"sqnr_db"`
	ScaleMin float64 `json:"scale_min,omitempty"` // of the weights' output channels
	ScaleMax float64 `json:"scale_max,omitempty"`
	Float    bool    `json:"float,omitempty"` // stayed float32
}

// Range is what an activation was seen to take and what its 256 levels cover.
type Range struct {
	Name      string  `json:"name"`
	Min       float64 `json:"min"` // as seen
	Max       float64 `json:"max"`
	Low       float64 `json:"low"` // as covered
	High      float64 `json:"high"`
	Scale     float32 `json:"scale"`
	ZeroPoint int     `json:"zero_point"` // of uint8, or 0 of int8 where it is symmetric
}
