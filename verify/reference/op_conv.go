package reference

import "github.com/repvit-go/repvit/graph"

// conv is the cross-correlation
//
//	out[n,o,y,x] = bias[o] + Σ_c,i,j weight[o,c,i,j] · in[n,g·C+c, y·sy+i·dy−top, x·sx+j·dx−left]
//
// over the C channels of o's group g, where pixels outside the image are zero. Each
// weight is applied to the whole plane before the next.
func (e *exec) conv(op graph.Conv, out array, in []array) {
	x, w := in[0], in[1]
	outputs, channels, kh, kw := w.shape[0], w.shape[1], w.shape[2], w.shape[3]
	size, dilation := out.shape[2]*out.shape[3], op.Dilation()
	e.parallel(out.shape[0]*outputs, func(unit int) {
		n, o := unit/outputs, unit%outputs
		plane := out.row(unit, size)
		if len(in) == 3 {
			for i := range plane {
				plane[i] = in[2].v[o]
			}
		}
		group := o / (outputs / op.Group)
		for c := range channels {
			source := x.row(n*x.shape[1]+group*channels+c, x.shape[2]*x.shape[3])
			for i := range kh {
				if e.stopped() {
					return
				}
				for j := range kw {
					k := w.v[((o*channels+c)*kh+i)*kw+j]
					t := tap{height: x.shape[2], width: x.shape[3], outHeight: out.shape[2], outWidth: out.shape[3],
						stride: op.Strides, shift: [2]int{i*dilation[0] - op.Pads[0], j*dilation[1] - op.Pads[1]}}
					t.accumulate(plane, source, k)
				}
			}
		}
	})
}

// tap is one position of a kernel: output pixel (y, x) reads input pixel
// (y·stride+shift, x·stride+shift), row and column.
type tap struct {
	height, width       int
	outHeight, outWidth int
	stride, shift       [2]int
}

// accumulate adds weight · in to out, both planes, wherever the tap lies in the image.
func (t tap) accumulate(out, in []float64, weight float64) {
	if t.stride == [2]int{1, 1} && t.shift == [2]int{} && len(in) == len(out) && t.width == t.outWidth {
		axpy(out, in, weight)
		return
	}
	y0, y1 := within(t.outHeight, t.height, t.stride[0], t.shift[0])
	x0, x1 := within(t.outWidth, t.width, t.stride[1], t.shift[1])
	if x0 >= x1 {
		return
	}
	for y := y0; y < y1; y++ {
		to := out[y*t.outWidth:][x0:x1]
		from := in[(y*t.stride[0]+t.shift[0])*t.width:][x0*t.stride[1]+t.shift[1] : t.width]
		if t.stride[1] == 1 {
			axpy(to, from[:len(to)], weight)
			continue
		}
		for x := range to {
			to[x] += weight * from[x*t.stride[1]]
		}
	}
}

// axpy is out += a·in.
func axpy(out, in []float64, a float64) {
	in = in[:len(out)]
	for i := range out {
		out[i] += a * in[i]
	}
}

// within returns the range of output indexes i for which 0 ≤ i·stride+shift < size.
func within(outputs, size, stride, shift int) (from, to int) {
	if shift < 0 {
		from = (-shift + stride - 1) / stride
	}
	if size <= shift {
		return from, from
	}
	return from, min(outputs, (size-1-shift)/stride+1)
}
