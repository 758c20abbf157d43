package reference

import "github.com/repvit-go/repvit/graph"

// mean is the mean of all operands, element by element.
func (e *exec) mean(_ graph.Mean, out array, in []array) {
	e.chunks(len(out.v), func(from, to int) {
		for i := from; i < to; i++ {
			sum := 0.0
			for _, x := range in {
				sum += x.v[i]
			}
			out.v[i] = sum / float64(len(in))
		}
	})
}
