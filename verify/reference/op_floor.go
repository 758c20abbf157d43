package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// floor is ⌊x⌋.
func (e *exec) floor(_ graph.Floor, out array, in []array) { e.each(out, in[0], math.Floor) }
