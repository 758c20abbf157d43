package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// erf is the error function, 2/√π·∫₀ˣ e^(−t²) dt.
func (e *exec) erf(_ graph.Erf, out array, in []array) { e.each(out, in[0], math.Erf) }
