package reference

import "github.com/repvit-go/repvit/graph"

// averagePool is the mean of in[n,c,y·sy+i−top, x·sx+j−left] over the kernel's rows i and
// columns j that are inside the image, or inside it or its padding, which is zeros.
func (e *exec) averagePool(op graph.AveragePool, out array, in []array) {
	e.windows(op.Kernel, op.Strides, [2]int{1, 1}, op.Pads, out, in[0], func(window []float64, padded int) float64 {
		sum := 0.0
		for _, v := range window {
			sum += v
		}
		if op.CountIncludePad {
			return sum / float64(padded)
		}
		return sum / float64(len(window))
	})
}
