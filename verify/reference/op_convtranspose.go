package reference

import "github.com/repvit-go/repvit/graph"

// convTranspose is
//
//	out[n,o,y·sy+i·dy−top,x·sx+j·dx−left] = bias[o] + Σ_c weight[c,o,i,j] · in[n,g·C+c,y,x]
//
// summed over all y, x, i and j that lead there, and the C channels of o's group g.
func (e *exec) convTranspose(op graph.ConvTranspose, out array, in []array) {
	x, w := in[0], in[1]
	height, width, rows, columns := x.shape[2], x.shape[3], out.shape[2], out.shape[3]
	channels, outputs, kh, kw := x.shape[1]/op.Group, w.shape[1], w.shape[2], w.shape[3]
	dilation := op.Dilation()
	e.parallel(out.shape[0]*out.shape[1], func(unit int) {
		n, o := unit/out.shape[1], unit%out.shape[1]
		plane := out.row(unit, rows*columns)
		if len(in) == 3 {
			for i := range plane {
				plane[i] = in[2].v[o]
			}
		}
		first := o / outputs * channels // of the group
		for c := first; c < first+channels; c++ {
			if e.stopped() {
				return
			}
			source := x.row(n*x.shape[1]+c, height*width)
			for i := range kh {
				for j := range kw {
					k := w.v[((c*outputs+o%outputs)*kh+i)*kw+j]
					for y := range height {
						for v := range width {
							r, s := y*op.Strides[0]+i*dilation[0]-op.Pads[0], v*op.Strides[1]+j*dilation[1]-op.Pads[1]
							if r >= 0 && r < rows && s >= 0 && s < columns {
								plane[r*columns+s] += k * source[y*width+v]
							}
						}
					}
				}
			}
		}
	})
}
