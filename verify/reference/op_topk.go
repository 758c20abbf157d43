package reference

import (
	"sort"

	"github.com/repvit-go/repvit/graph"
)

// topK sorts every line along the axis, equal elements staying in their order, and takes the first.
func (e *exec) topK(op graph.TopK, out array, in []array) {
	x, indices := in[0], e.further[0]
	axis := len(x.shape) + op.Axis
	length, inner := x.shape[axis], elements(x.shape[axis+1:])
	e.parallel(elements(x.shape[:axis])*inner, func(i int) {
		from, to := i/inner*length*inner+i%inner, i/inner*op.K*inner+i%inner
		order := make([]int, length)
		for k := range order {
			order[k] = k
		}
		sort.SliceStable(order, func(a, b int) bool {
			if op.Smallest {
				a, b = b, a
			}
			return x.v[from+order[a]*inner] > x.v[from+order[b]*inner]
		})
		for k, at := range order[:op.K] {
			out.v[to+k*inner], indices.v[to+k*inner] = x.v[from+at*inner], float64(at)
		}
	})
}
