package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// sigmoid is 1/(1+e⁻ˣ).
func (e *exec) sigmoid(_ graph.Sigmoid, out array, in []array) {
	e.each(out, in[0], func(x float64) float64 { return 1 / (1 + math.Exp(-x)) })
}
