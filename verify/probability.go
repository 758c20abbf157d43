package verify

import (
	"fmt"
	"math"

	"github.com/repvit-go/repvit/graph"
)

// Probability returns the softmax of a class, 0..1, given the logits of one image,
// 1×classes: e^(yᵢ−m)/Σe^(yⱼ−m), m being the largest logit. The error wraps
// [graph.ErrShape] where there is no such class.
func Probability(logits *graph.Tensor, class int) (float64, error) {
	y := logits.Float64s()
	if rows, n := rowsOf(logits.Shape); rows != 1 || class < 0 || class >= n {
		return 0, fmt.Errorf("%w: class %d of logits of shape %v", graph.ErrShape, class, logits.Shape)
	}
	most, sum := math.Inf(-1), 0.0
	for _, v := range y {
		most = max(most, v)
	}
	for _, v := range y {
		sum += math.Exp(v - most)
	}
	return math.Exp(y[class]-most) / sum, nil
}
