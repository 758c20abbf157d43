package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// maxPool is out[n,c,y,x] = max of in[n,c,y·sy+i·dy−top,x·sx+j·dx−left] over the kernel's rows i
// and columns j, where that is inside the image.
func (e *exec) maxPool(op graph.MaxPool, out array, in []array) {
	e.windows(op.Kernel, op.Strides, op.Dilation(), op.Pads, out, in[0], func(window []float64, _ int) float64 {
		top := math.Inf(-1)
		for _, v := range window {
			top = max(top, v)
		}
		return top
	})
}

// windows sets every element of out to f of the pixels of its window that are inside the
// image, and of how many are inside it or its padding.
func (e *exec) windows(kernel, strides, dilations [2]int, pads [4]int, out, x array, f func(window []float64, padded int) float64) {
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
				window = window[:0]
				padded := 0
				for i := range kernel[0] {
					for j := range kernel[1] {
						y, v := r*strides[0]+i*dilations[0]-pads[0], c*strides[1]+j*dilations[1]-pads[1]
						if y < height+pads[2] && v < width+pads[3] {
							padded++
						}
						if y >= 0 && y < height && v >= 0 && v < width {
							window = append(window, from[y*width+v])
						}
					}
				}
				to[r*columns+c] = f(window, padded)
			}
		}
	})
}
