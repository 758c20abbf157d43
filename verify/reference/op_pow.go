package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// pow is aᵇ.
func (e *exec) pow(_ graph.Pow, out array, in []array) { e.broadcast(out, in[0], in[1], math.Pow) }
