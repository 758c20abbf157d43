package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// round is x rounded to a whole number, ties to even.
func (e *exec) round(_ graph.Round, out array, in []array) { e.each(out, in[0], math.RoundToEven) }
