package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// tanh is the hyperbolic tangent.
func (e *exec) tanh(_ graph.Tanh, out array, in []array) { e.each(out, in[0], math.Tanh) }
