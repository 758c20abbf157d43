package infer

import (
	"fmt"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// gemmOp is a product with a constant matrix: 1×1 convolution, Gemm or MatMul.
type gemmOp struct {
	opBase
	layout   layout // that of input and output
	w        *packed
	act      kernel.Activation
	residual *graph.Value
}

func (o *gemmOp) plan(p *planner) error {
	x := p.value(o.in[0], o.layout)
	var res *buffer
	if o.residual != nil {
		res = p.value(o.residual, o.layout)
	}
	// The output may overwrite the residual, but not the input, of which every row is read
	// once for each block of columns. They can be the same value.
	inPlace := res
	if res != nil && res.store == x.store || len(o.w.blocks) > 1 {
		inPlace = nil
	}
	out := p.result(o.layout, inPlace)
	use := []*buffer{x, res, out}
	k := o.w.blocks[0].K
	if len(o.w.blocks) == 1 {
		w := o.w.blocks[0]
		p.step(x.rows, k*w.N, p.rowsPerPart(x.rows, k*w.N), use, func(e *exec) func(*local, int, int) {
			g := kernel.Gemm{In: e.matrix(x), Out: e.matrix(out), Residual: e.matrix(res), W: w, Act: o.act}
			return func(l *local, from, to int) {
				l.gemm = g
				l.gemm.From, l.gemm.To = from, to
				p.set.Gemm(&l.gemm)
			}
		})
		return nil
	}
	p.step(len(o.w.blocks), x.rows*k*columnBlock, 1, use, func(e *exec) func(*local, int, int) {
		gs := make([]kernel.Gemm, len(o.w.blocks))
		for i, w := range o.w.blocks {
			gs[i] = kernel.Gemm{In: e.matrix(x), Out: shift(e.matrix(out), i*columnBlock), Residual: shift(e.matrix(res), i*columnBlock), W: w, Act: o.act, To: x.rows}
		}
		return func(l *local, from, to int) {
			for _, g := range gs[from:to] {
				l.gemm = g
				p.set.Gemm(&l.gemm)
			}
		}
	})
	return nil
}

// rowTile is what the rows that a thread works on are a multiple of, so that matrix
// kernels, which take some rows at a time, have few rests.
const rowTile = 14

// rowsPerPart returns what the rows that a thread works on are a multiple of for a product
// with the given number of weights. Every part reads all of them, so where they are too many
// for a core's second-level cache there is one part for each thread.
func (p *planner) rowsPerPart(rows, weights int) int {
	const many, enough = 1 << 17, 7 * rowTile
	if weights < many {
		return rowTile
	}
	return min(max((rows+p.threads-1)/p.threads, rowTile), enough)
}

// shift returns m without its first columns.
func shift(m kernel.Matrix, columns int) kernel.Matrix {
	if m.Data != nil {
		m.Data = m.Data[columns:]
	}
	return m
}

// mixerOp is two 1×1 convolutions with an activation between them.
type mixerOp struct {
	opBase
	expand, project *packed
	act             kernel.Activation
	residual        *graph.Value
}

func (o *mixerOp) plan(p *planner) error {
	x := p.value(o.in[0], chansLayout)
	var res *buffer
	if o.residual != nil {
		res = p.value(o.residual, chansLayout)
	}
	// In place where input and residual are one value: tiles are read before written.
	out := p.result(chansLayout, res, x)
	expand, project := o.expand.blocks[0], o.project.blocks[0]
	scratch := kernel.MixerScratch(expand.N)
	p.scratch = max(p.scratch, scratch)
	weights := expand.K*expand.N + project.K*project.N
	p.step(x.rows, weights, p.rowsPerPart(x.rows, weights), []*buffer{x, res, out}, func(e *exec) func(*local, int, int) {
		m := kernel.Mixer{In: e.matrix(x), Out: e.matrix(out), Residual: e.matrix(res), Expand: expand, Project: project, Act: o.act}
		return func(l *local, from, to int) {
			l.mixer = m
			l.mixer.From, l.mixer.To, l.mixer.Scratch = from, to, l.floats(scratch)
			p.set.Mixer(&l.mixer)
		}
	})
	return nil
}

// depthwiseOp is a depthwise 3×3 convolution with padding 1.
type depthwiseOp struct {
	opBase
	w      *packed
	stride int
	act    kernel.Activation
}

func (o *depthwiseOp) plan(p *planner) error {
	x := p.value(o.in[0], chansLayout)
	out := p.result(chansLayout)
	img := image(x, out, o.stride)
	p.step(img.N*img.HO, 9*img.WO*x.ld, 2, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		d := kernel.Depthwise{Image: img, In: e.matrix(x), Out: e.matrix(out), Taps: o.w.taps, Bias: o.w.bias, Act: o.act}
		return func(l *local, from, to int) {
			l.depthwise = d
			l.depthwise.From, l.depthwise.To = from, to
			p.set.Depthwise(&l.depthwise)
		}
	})
	return nil
}

func image(x, out *buffer, stride int) kernel.Image {
	return kernel.Image{N: x.shape[0], H: x.shape[2], W: x.shape[3], HO: out.shape[2], WO: out.shape[3], Stride: stride}
}

// denseOp is a dense 3×3 convolution with padding 1.
type denseOp struct {
	opBase
	w      *packed
	stride int
	act    kernel.Activation
}

func (o *denseOp) plan(p *planner) error {
	x := p.any(o.in[0])
	planar := x.store == nil && x.fixed == nil // the run's input, read in place
	if !planar {
		x = p.value(o.in[0], chansLayout)
	}
	out := p.result(chansLayout)
	img := image(x, out, o.stride)
	w := o.w.blocks[0]
	p.step(img.N*img.HO, img.WO*w.K*w.N, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		c := kernel.Conv3x3{Image: img, Cin: x.shape[1], Out: e.matrix(out), W: w, Act: o.act}
		if !planar {
			c.In = e.matrix(x)
		}
		return func(l *local, from, to int) {
			l.conv = c
			l.conv.From, l.conv.To = from, to
			if planar {
				l.conv.Planar = e.input
			}
			p.set.Conv3x3(&l.conv)
		}
	})
	return nil
}

// convOp is any other convolution, in plain loops.
type convOp struct {
	opBase
	conv   graph.Conv
	w      *packed
	weight []int // shape
	act    kernel.Activation
}

func (o *convOp) plan(p *planner) error {
	x := p.value(o.in[0], chansLayout)
	out := p.result(chansLayout)
	work := out.shape[3] * elements(o.weight)
	p.step(out.shape[0]*out.shape[2], work, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.matrix(x), e.matrix(out)
		return func(_ *local, from, to int) {
			for r := from; r < to; r++ {
				o.row(x, out, src, dst, r)
			}
			p.set.Apply(dst.Data[from*out.shape[3]*dst.LD:to*out.shape[3]*dst.LD], o.act)
		}
	})
	return nil
}

// row computes output row r, counted over all images.
func (o *convOp) row(x, out *buffer, src, dst kernel.Matrix, r int) {
	n, y := r/out.shape[2], r%out.shape[2]
	cin, cout := o.weight[1], o.weight[0]/o.conv.Group
	for v := range out.shape[3] {
		acc := dst.Data[(r*out.shape[3]+v)*dst.LD:][:dst.LD]
		copy(acc, o.w.bias)
		for ky := range o.weight[2] {
			iy := y*o.conv.Strides[0] + ky - o.conv.Pads[0]
			if iy < 0 || iy >= x.shape[2] {
				continue
			}
			for kx := range o.weight[3] {
				ix := v*o.conv.Strides[1] + kx - o.conv.Pads[1]
				if ix < 0 || ix >= x.shape[3] {
					continue
				}
				in := src.Data[((n*x.shape[2]+iy)*x.shape[3]+ix)*src.LD:][:src.LD]
				taps := o.w.taps[(ky*o.weight[3]+kx)*cin*dst.LD:][:cin*dst.LD]
				if cin == 1 && cout == 1 { // depthwise
					for c, t := range taps[:o.conv.Group] {
						acc[c] += in[c] * t
					}
					continue
				}
				for g := range o.conv.Group {
					sums := acc[g*cout:][:cout]
					for i := range cin {
						a := in[g*cin+i]
						for c, t := range taps[i*dst.LD+g*cout:][:cout] {
							sums[c] += a * t
						}
					}
				}
			}
		}
	}
}

// affineOp multiplies and shifts every channel: BatchNorm, or a depthwise 1×1 convolution.
type affineOp struct {
	opBase
	scale, shift []float32 // padded
	act          kernel.Activation
}

// batchNorm returns what a BatchNorm multiplies each channel with and what it adds.
func batchNorm(n *graph.Node) (scale, shift []float32, err error) {
	var v [4][]float64
	for i, w := range n.Inputs[1:] {
		if w.Const == nil {
			return nil, nil, fmt.Errorf("%w: weight %q is computed from the input, expected a constant", ErrUnsupported, w.Name)
		}
		v[i] = w.Const.Float64s()
	}
	eps := n.Op.(graph.BatchNorm).Epsilon
	ld := kernel.Pad(len(v[0]), kernel.Lanes)
	scale, shift = kernel.Floats(ld), kernel.Floats(ld)
	for c, gamma := range v[0] {
		s := gamma / math.Sqrt(v[3][c]+eps)
		scale[c], shift[c] = float32(s), float32(v[1][c]-v[2][c]*s)
	}
	return scale, shift, nil
}

func (o *affineOp) plan(p *planner) error {
	l := natural(len(p.dims(o.out)))
	x := p.value(o.in[0], l)
	out := p.result(l, x)
	p.step(x.rows, 8*x.ld, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.data(out)
		ld := x.ld
		return func(_ *local, from, to int) {
			for r := from; r < to; r++ {
				affine(dst[r*ld:][:ld], src[r*ld:][:ld], o.scale, o.shift)
			}
			p.set.Apply(dst[from*ld:to*ld], o.act)
		}
	})
	return nil
}

func affine(dst, x, scale, shift []float32) {
	x, scale, shift = x[:len(dst)], scale[:len(dst)], shift[:len(dst)]
	for i := range dst {
		dst[i] = float32(x[i]*scale[i]) + shift[i]
	}
}

// poolOp is GlobalAveragePool.
type poolOp struct{ opBase }

// poolRows is how many rows are added in float32 before the sum goes on in float64, so
// that the mean of a large image is as exact as that of a small one.
const poolRows = 128

func (o *poolOp) plan(p *planner) error {
	x := p.value(o.in[0], chansLayout)
	out := p.result(chansLayout)
	images, pixels := x.shape[0], x.shape[2]*x.shape[3]
	// Units are blocks of channels of an image.
	width := x.ld
	if p.threads > 1 {
		width = min(width, 4*kernel.Lanes)
	}
	blocks := (x.ld + width - 1) / width
	p.step(images*blocks, 4*pixels*width, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.matrix(x), e.data(out)
		return func(l *local, from, to int) {
			for u := from; u < to; u++ {
				n, c := u/blocks, u%blocks*width
				end := min(c+width, x.ld)
				p.mean(l, dst[n*x.ld:][:x.ld], src.Data[n*pixels*src.LD:], pixels, c, end)
			}
		}
	})
	return nil
}

// mean writes the mean of columns [from, to) of an image's pixels to dst[from:to].
func (p *planner) mean(l *local, dst, image []float32, pixels, from, to int) {
	buf := l.floats(3*len(dst) + kernel.Lanes)
	part := buf[:len(dst)]
	sums := doubles(buf[len(dst):])[:to-from]
	clear(sums)
	for r := 0; r < pixels; r += poolRows {
		rows := min(poolRows, pixels-r)
		p.set.SumColumns(part, kernel.Matrix{Data: image[r*len(dst):], Rows: rows, LD: len(dst)}, from, to)
		for i, v := range part[from:to] {
			sums[i] += float64(v)
		}
	}
	for i, s := range sums {
		dst[from+i] = float32(s / float64(pixels))
	}
}

// binaryOp is Add or Mul.
type binaryOp struct {
	opBase
	mul bool
}

func (o *binaryOp) plan(p *planner) error {
	a, b := p.natural(o.in[0]), p.natural(o.in[1])
	shape := p.dims(o.out)
	// The operand with the output's shape comes first and gives the layout.
	if !slices.Equal(a.shape, shape) && slices.Equal(b.shape, shape) {
		a, b = b, a
	}
	l := a.layout
	if !slices.Equal(a.shape, shape) {
		return o.general(p, natural(len(shape)), a, b)
	}
	gate := o.mul && l == chansLayout && b.layout == l && b.shape[0] == shape[0] && b.shape[1] == shape[1] && b.shape[2]*b.shape[3] == 1
	if !gate && (b.layout != l || !slices.Equal(b.shape, shape)) {
		return o.general(p, l, a, b)
	}
	candidates := []*buffer{a}
	if !gate && a.store != b.store {
		candidates = append(candidates, b)
	}
	if a.store != nil && a.store == b.store {
		candidates = nil // the same value twice
	}
	out := p.result(l, candidates...)
	if out.store == b.store {
		a, b = b, a
	}
	use := []*buffer{a, b, out}
	if gate {
		pixels := shape[2] * shape[3]
		p.step(a.rows, 4*a.ld, 1, use, func(e *exec) func(*local, int, int) {
			src, dst, gates := e.data(a), e.matrix(out), e.data(b)
			return func(_ *local, from, to int) {
				if out.store != a.store {
					copy(dst.Data[from*dst.LD:to*dst.LD], src[from*dst.LD:])
				}
				for from < to {
					n := from / pixels
					end := min(to, (n+1)*pixels)
					p.set.ScaleColumns(dst, gates[n*b.ld:][:b.ld], from, end)
					from = end
				}
			}
		})
		return nil
	}
	p.step(a.rows, 4*a.ld, 1, use, func(e *exec) func(*local, int, int) {
		src, other, dst := e.data(a), e.data(b), e.data(out)
		ld := a.ld
		return func(_ *local, from, to int) {
			x, y, z := src[from*ld:to*ld], other[from*ld:to*ld], dst[from*ld:to*ld]
			switch {
			case o.mul:
				for i := range z {
					z[i] = x[i] * y[i]
				}
			case out.store == a.store:
				p.set.AddInto(z, y)
			default:
				for i := range z {
					z[i] = x[i] + y[i]
				}
			}
		}
	})
	return nil
}

// general is the operator with broadcasting, or between different layouts.
func (o *binaryOp) general(p *planner, l layout, a, b *buffer) error {
	out := p.result(l)
	p.step(outer(out), 8*out.cols, 1, []*buffer{a, b, out}, func(e *exec) func(*local, int, int) {
		x, y, z := e.data(a), e.data(b), e.data(out)
		wx, wy := newWalker(out, a), newWalker(out, b)
		return func(_ *local, begin, end int) {
			for r := begin; r < end; r++ {
				to, i := wx.row(r)
				_, j := wy.row(r)
				for k := range wx.n {
					u, v := x[i+k*wx.c], y[j+k*wy.c]
					if o.mul {
						u *= v
					} else {
						u += v
					}
					z[to+k*wx.a] = u
				}
			}
			clearPadding(out, z, begin, end)
		}
	})
	return nil
}

// meanOp is the mean of several values.
type meanOp struct{ opBase }

func (o *meanOp) plan(p *planner) error {
	l := natural(len(p.dims(o.out)))
	var xs []*buffer
	for _, v := range o.in {
		xs = append(xs, p.value(v, l))
	}
	out := p.result(l)
	p.step(out.rows, 4*len(xs)*out.ld, 1, append(xs[:len(xs):len(xs)], out), func(e *exec) func(*local, int, int) {
		dst := e.data(out)
		var src [][]float32
		for _, x := range xs {
			src = append(src, e.data(x))
		}
		k := 1 / float64(len(xs))
		return func(_ *local, from, to int) {
			for i := from * out.ld; i < to*out.ld; i++ {
				sum := 0.0
				for _, x := range src {
					sum += float64(x[i])
				}
				dst[i] = float32(sum * k)
			}
		}
	})
	return nil
}
