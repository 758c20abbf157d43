package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// cos is cos(x).
func (e *exec) cos(_ graph.Cos, out array, in []array) { e.each(out, in[0], math.Cos) }
