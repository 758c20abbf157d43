package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// softmax is eˣ/Σeˣ over an axis, with the largest x taken off every x first, which cancels
// and keeps eˣ from overflowing.
func (e *exec) softmax(op graph.Softmax, out array, in []array) {
	x := in[0]
	axis := op.Of(len(x.shape))
	length, inner := x.shape[axis], elements(x.shape[axis+1:])
	e.parallel(elements(x.shape[:axis])*inner, func(i int) {
		first := i/inner*length*inner + i%inner
		top := math.Inf(-1)
		for k := range length {
			top = max(top, x.v[first+k*inner])
		}
		sum := 0.0
		for k := range length {
			v := math.Exp(x.v[first+k*inner] - top)
			out.v[first+k*inner] = v
			sum += v
		}
		for k := range length {
			out.v[first+k*inner] /= sum
		}
	})
}
