package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// ceil is ⌈x⌉.
func (e *exec) ceil(_ graph.Ceil, out array, in []array) { e.each(out, in[0], math.Ceil) }
