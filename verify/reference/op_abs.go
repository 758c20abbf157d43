package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// abs is |x|.
func (e *exec) abs(_ graph.Abs, out array, in []array) { e.each(out, in[0], math.Abs) }
