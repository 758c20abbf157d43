package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// sqrt is √x.
func (e *exec) sqrt(_ graph.Sqrt, out array, in []array) { e.each(out, in[0], math.Sqrt) }
