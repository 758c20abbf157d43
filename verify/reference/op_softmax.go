package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// softmax is eˣ/Σeˣ over the last axis, with the row's largest x taken off every x first,
// which cancels and keeps eˣ from overflowing.
func (e *exec) softmax(_ graph.Softmax, out array, in []array) {
	x := in[0]
	rows, length := x.rows()
	e.parallel(rows, func(r int) {
		from, to := x.row(r, length), out.row(r, length)
		top := math.Inf(-1)
		for _, v := range from {
			top = max(top, v)
		}
		sum := 0.0
		for i, v := range from {
			to[i] = math.Exp(v - top)
			sum += to[i]
		}
		for i := range to {
			to[i] /= sum
		}
	})
}
