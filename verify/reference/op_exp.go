package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// exp is eˣ.
func (e *exec) exp(_ graph.Exp, out array, in []array) { e.each(out, in[0], math.Exp) }
