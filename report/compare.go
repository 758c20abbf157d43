package report

import (
	"context"
	"math"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/verify"
)

// Compare compares every value that two networks both name, got's against want's, for an input
// N×C×H×W. The error is that of [verify.Layers].
func Compare(ctx context.Context, title string, got, want verify.Engine, x *graph.Tensor) (Errors, error) {
	layers, err := verify.Layers(ctx, got, want, x)
	return Errors{Title: title, Layers: layers}, err
}

// CompareLogits returns what two networks give for one input N×C×H×W, nil where that is not logits.
func CompareLogits(ctx context.Context, name, reference string, got, want verify.Engine, x *graph.Tensor) (*Logits, error) {
	a, err := got.Run(ctx, x)
	if err != nil || len(got.Graph().Outputs) > 1 || len(a.Shape) != 2 {
		return nil, err
	}
	b, err := want.Run(ctx, x)
	if err != nil {
		return nil, err
	}
	return &Logits{Name: name, Reference: reference, Got: a.Float32s(), Want: b.Float32s()}, nil
}

// Sensitivity is what int8 costs the logits in one layer alone, for every layer that was measured.
func Sensitivity(r *quant.Report) Errors {
	e := Errors{Title: "Logits with one layer in int8"}
	for _, l := range r.Layers {
		if l.SQNR != 0 {
			e.Layers = append(e.Layers, verify.Layer{Value: l.Name, MaxAbs: math.NaN(), RelL2: math.Pow(10, -l.SQNR/20), SQNR: l.SQNR})
		}
	}
	return e
}
