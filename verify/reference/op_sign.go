package reference

import "github.com/repvit-go/repvit/graph"

// sign is 1 where x > 0, −1 where x < 0, else x.
func (e *exec) sign(_ graph.Sign, out array, in []array) {
	e.each(out, in[0], func(x float64) float64 {
		switch {
		case x > 0:
			return 1
		case x < 0:
			return -1
		}
		return x
	})
}
