package verify

import (
	"context"
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

// Check compares what two networks compute for an input N×3×H×W: the outputs of got, a deploy
// form, a converted or a quantized model, with those of want, the training form or
// whatever it was made from. It is what a conversion runs before its output gets its
// name.
//
// All outputs must be equal under the tolerance, whose absolute part is multiplied by the
// largest magnitude of the output wanted where that is more than 1: rounding errors of
// logits near zero are those of the sums they come from. Of several outputs, Check reports the largest
// distances and the smallest agreement. Where they are not equal, it runs both networks
// again for the first value that diverges; if they share no names, or if no value before
// the outputs diverges by the package's rule, that is the first output that differs.
func Check(ctx context.Context, want, got Engine, x *graph.Tensor, tol Tolerance) (Comparison, error) {
	right, err := runAll(ctx, want, x)
	if err != nil {
		return Comparison{}, err
	}
	found, err := runAll(ctx, got, x)
	if err != nil {
		return Comparison{}, err
	}
	if len(found) != len(right) {
		return Comparison{}, fmt.Errorf("%w: %d outputs, expected %d", graph.ErrShape, len(found), len(right))
	}
	all := Comparison{Equal: true, Top1Agree: 1}
	var different *Divergence
	for i := range found {
		scaled := tol
		scaled.Abs *= max(1, magnitude(right[i]))
		c, err := Compare(found[i], right[i], scaled)
		if err != nil {
			return Comparison{}, err
		}
		if !c.Equal && different == nil {
			different = &Divergence{got.Graph().Outputs[i].Name, c.MaxAbs}
		}
		all.Equal = all.Equal && c.Equal
		all.MaxAbs, all.RelL2 = max(all.MaxAbs, c.MaxAbs), max(all.RelL2, c.RelL2)
		all.Top1Agree = min(all.Top1Agree, c.Top1Agree)
	}
	if all.Equal {
		return all, nil
	}
	if all.FirstDivergence, err = FirstDivergence(ctx, got, want, x, tol); err != nil {
		return Comparison{}, err
	}
	if all.FirstDivergence == nil {
		all.FirstDivergence = different
	}
	return all, nil
}
