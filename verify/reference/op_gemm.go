package reference

import "github.com/repvit-go/repvit/graph"

// gemm is out[n,m] = Σₖ x[n,k]·weight[m,k] + bias[m].
func (e *exec) gemm(_ graph.Gemm, out array, in []array) {
	x, w := in[0], in[1]
	features := x.shape[1]
	e.parallel(w.shape[0], func(m int) {
		for n := range x.shape[0] {
			sum := 0.0
			for k, v := range x.row(n, features) {
				sum += v * w.v[m*features+k]
			}
			if len(in) == 3 {
				sum += in[2].v[m]
			}
			out.v[n*w.shape[0]+m] = sum
		}
	})
}
