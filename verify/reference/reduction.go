package reference

import "github.com/repvit-go/repvit/graph"

// reduce combines with f the elements of x that have the same index on the axes that are not
// reduced, beginning with start.
func (e *exec) reduce(op graph.Reduction, out, x array, start float64, f func(a, b float64) float64) {
	for i := range out.v {
		out.v[i] = start
	}
	places := newPlaces(op, x.shape)
	for i, v := range x.v {
		to := places.of(i)
		out.v[to] = f(out.v[to], v)
		if i%chunk == 0 && e.stopped() {
			return
		}
	}
}

// places tells where in a reduction's result the elements of its operand go.
type places struct {
	shape   []int // of the operand
	strides []int // how far apart in the result neighbours along its axes lie
}

func newPlaces(op graph.Reduction, shape []int) places {
	p := places{shape, make([]int, len(shape))}
	reduced := op.Reduces(len(shape))
	step := 1
	for k := len(shape) - 1; k >= 0; k-- {
		if !reduced[k] {
			p.strides[k] = step
			step *= shape[k]
		}
	}
	return p
}

// of returns the place of the i-th element.
func (p places) of(i int) int {
	to := 0
	for k := len(p.shape) - 1; k >= 0; k-- {
		to += i % p.shape[k] * p.strides[k]
		i /= p.shape[k]
	}
	return to
}
