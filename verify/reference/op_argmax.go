package reference

import "github.com/repvit-go/repvit/graph"

// argMax is the index of the largest element along an axis, NaN being larger than numbers.
func (e *exec) argMax(op graph.ArgMax, out array, in []array) {
	x := in[0]
	axis := len(x.shape) + op.Axis
	length, inner := x.shape[axis], elements(x.shape[axis+1:])
	e.parallel(len(out.v), func(i int) {
		first := i/inner*length*inner + i%inner
		best := 0
		for k := range length {
			v, top := x.v[first+k*inner], x.v[first+best*inner]
			larger := v > top || v != v && top == top
			same := v == top || v != v && top != top
			if larger || same && op.SelectLastIndex {
				best = k
			}
		}
		out.v[i] = float64(best)
	})
}
