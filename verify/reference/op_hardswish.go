package reference

import "github.com/repvit-go/repvit/graph"

// hardSwish is x·min(max(x/6 + 1/2, 0), 1).
func (e *exec) hardSwish(_ graph.HardSwish, out array, in []array) {
	e.each(out, in[0], func(x float64) float64 { return x * min(max(x/6+0.5, 0), 1) })
}
