package verify

import (
	"fmt"
	"math"

	"github.com/repvit-go/repvit/graph"
)

// Probability returns the probability of a class, 0..1, given a network's first output for
// one image, 1×classes: the softmax of logits, e^(yᵢ−m)/Σe^(yⱼ−m), m being the largest one,
// or the element itself where the network ends in Softmax. The error wraps [graph.ErrShape]
// where there is no such class.
func Probability(g *graph.Graph, output *graph.Tensor, class int) (float64, error) {
	y := output.Float64s()
	if rows, n := rowsOf(output.Shape); rows != 1 || class < 0 || class >= n {
		return 0, fmt.Errorf("%w: class %d of an output of shape %v", graph.ErrShape, class, output.Shape)
	}
	if g.Probabilities(g.Outputs[0]) {
		return y[class], nil
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
