package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// log is the natural logarithm.
func (e *exec) log(_ graph.Log, out array, in []array) { e.each(out, in[0], math.Log) }
