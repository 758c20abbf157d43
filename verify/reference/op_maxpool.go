package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// maxPool is out[n,c,y,x] = max of in[n,c,y·sy+i−top, x·sx+j−left] over the kernel's rows i
// and columns j, where that is inside the image.
func (e *exec) maxPool(op graph.MaxPool, out array, in []array) {
	e.windows(op.Kernel, op.Strides, op.Pads, out, in[0], func(window []float64) float64 {
		top := math.Inf(-1)
		for _, v := range window {
			top = max(top, v)
		}
		return top
	})
}

// windows sets every element of out to f of the pixels of its window that are inside the
// image.
func (e *exec) windows(kernel, strides [2]int, pads [4]int, out, x array, f func(window []float64) float64) {
	height, width := x.shape[2], x.shape[3]
	rows, columns := out.shape[2], out.shape[3]
	e.parallel(out.shape[0]*out.shape[1], func(plane int) {
		from, to := x.row(plane, height*width), out.row(plane, rows*columns)
		var window []float64
		for r := range rows {
			if e.stopped() {
				return
			}
			for c := range columns {
				top, left := r*strides[0]-pads[0], c*strides[1]-pads[1]
				window = window[:0]
				for i := max(top, 0); i < min(top+kernel[0], height); i++ {
					for j := max(left, 0); j < min(left+kernel[1], width); j++ {
						window = append(window, from[i*width+j])
					}
				}
				to[r*columns+c] = f(window)
			}
		}
	})
}
