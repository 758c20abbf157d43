package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// sin is sin(x).
func (e *exec) sin(_ graph.Sin, out array, in []array) { e.each(out, in[0], math.Sin) }
