package infer

import (
	"encoding/binary"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// integerLocal is what one goroutine needs to run integer kernels without allocating.
type integerLocal struct {
	mixer     kernel.Mixer8
	depthwise kernel.Depthwise8
	sum       kernel.Sum8
}

// newBytes returns a buffer of uint8 without a place.
func newBytes(shape []int, l layout) *buffer {
	b := newBuffer(shape, l)
	b.bytes, b.ld = true, kernel.Pad(b.cols, kernel.Lanes8)
	return b
}

// bytes returns the elements of a buffer of uint8.
func (e *exec) bytes(b *buffer) []uint8 {
	return kernel.Bytes(e.arena[b.store.offset:][:(b.rows*b.ld+3)/4])[:b.rows*b.ld]
}

func (e *exec) matrix8(b *buffer) kernel.Matrix8 {
	if b == nil {
		return kernel.Matrix8{}
	}
	return kernel.Matrix8{Data: e.bytes(b), Rows: b.rows, LD: b.ld}
}

// widened returns v, which lies in b as uint8, as the same numbers in float32.
func (p *planner) widened(v *graph.Value, b *buffer) *buffer {
	key := viewKey{v, b.layout}
	if c, ok := p.views[key]; ok {
		return c
	}
	c := newBuffer(b.shape, b.layout)
	p.allocate(c)
	c.store.pending = 1 << 30 // not to be overwritten: others may find it in views
	p.dequantize(c, b, quantization{scale: 1})
	p.views[key] = c
	return c
}

// narrowed is what p.views calls a value in a layout as uint8.
const narrowed layout = 1 << 7

// integers returns v, which holds numbers from 0 to 255, as uint8 in the layout given.
func (p *planner) integers(v *graph.Value, l layout) *buffer {
	if b, ok := p.values[v]; ok && b.bytes && b.layout == l {
		return b
	}
	key := viewKey{v, l | narrowed}
	if c, ok := p.views[key]; ok {
		return c
	}
	x := p.value(v, l)
	c := newBytes(x.shape, l)
	p.allocate(c)
	c.store.pending = 1 << 30
	p.quantize(c, x, kernel.Quantization8{Inverse: 1})
	p.views[key] = c
	return c
}

// result8 returns a buffer for the current operator's value as uint8, like result.
func (p *planner) result8(l layout, candidates ...*buffer) *buffer {
	b := newBytes(p.dims(p.current.out), l)
	for _, c := range candidates {
		if c != nil && c.bytes && p.dies(c) && c.rows == b.rows && c.ld == b.ld {
			b.store = c.store
			p.define(p.current.out, b)
			return b
		}
	}
	p.allocate(b)
	p.define(p.current.out, b)
	return b
}

func (p *planner) quantize(dst, src *buffer, q kernel.Quantization8) {
	set := p.program.weights.set8
	p.step(src.rows, 4*src.ld, 1, []*buffer{src, dst}, func(e *exec) func(*local, int, int) {
		in, out := e.matrix(src), e.matrix8(dst)
		return func(_ *local, from, to int) { set.Quantize(out, in, q, from, to) }
	})
}

func (p *planner) dequantize(dst, src *buffer, q quantization) {
	set := p.program.weights.set8
	p.step(src.rows, 4*src.ld, 1, []*buffer{src, dst}, func(e *exec) func(*local, int, int) {
		in, out := e.matrix8(src), e.matrix(dst)
		return func(_ *local, from, to int) { set.Dequantize(out, in, src.cols, q.scale, q.zero, from, to) }
	})
}

// stage8 is one product with what becomes of its sums.
type stage8 struct {
	p    *product8
	w    *packed8
	tail tail8
}

// gemm describes the product for the kernels, without matrices.
func (s *stage8) gemm() kernel.Gemm8 {
	t := &s.tail
	g := kernel.Gemm8{W: s.w.matrix, Floor: t.floor, Table: t.table}
	unit := float32(1)
	switch {
	case t.inner != nil:
		unit = t.inner.scale
		g.Round, g.Low, g.High, g.Step = true, -float32(t.inner.zero), 255-float32(t.inner.zero), t.inner.scale
	case t.out != nil && t.act == kernel.Identity:
		unit = t.out.scale
	}
	if t.out != nil {
		g.Zero = t.out.zero
	}
	if t.residual8 != nil {
		g.Step = float32(float64(t.inner.scale) / float64(t.out.scale))
		g.Residual8Zero = t.other.zero
		g.Residual8Step = float32(float64(t.other.scale) / float64(t.out.scale))
	}
	g.Scale = s.p.scales(unit, kernel.Lanes)
	return g
}

// acts returns the activation function of a float32 result, or that between a float32
// product and its quantization.
func (t *tail8) acts() (result, between kernel.Activation) {
	if t.out == nil {
		return t.act, kernel.Identity
	}
	return kernel.Identity, t.act
}

// matrix8Op is a product of rows with a constant matrix, 1×1 convolution, Gemm or MatMul,
// or two of them.
type matrix8Op struct {
	opBase
	layout   layout        // that of the output
	quantize *quantization // of the input, float32 then
	first    stage8
	second   *stage8
}

func (o *matrix8Op) plan(p *planner) error {
	last := &o.first
	if o.second != nil {
		last = o.second
	}
	var x, real *buffer
	if o.quantize != nil {
		real = p.value(o.in[0], o.first.p.layout)
	} else {
		x = p.integers(o.in[0], o.first.p.layout)
	}
	res, res8, out, out8 := o.output(p, &last.tail, o.layout, func(res *buffer) []*buffer {
		// Rows are read before they are written, except the input of a single product, of
		// which every row is read once for each block of columns.
		if o.second == nil && x != nil {
			if res != nil && res.store == x.store {
				return nil
			}
			return []*buffer{res}
		}
		return []*buffer{res, x, real}
	})
	rows := res8
	for _, b := range []*buffer{x, real} {
		if b != nil {
			rows = b
		}
	}
	first := o.first.p
	k, hidden := first.k, first.n
	work := k * hidden
	if o.second != nil {
		work += hidden * o.second.p.n
	}
	act, between := o.first.tail.acts()
	scratch := kernel.Mixer8Scratch(k, hidden, between)
	p.scratch = max(p.scratch, scratch)
	set := p.program.weights.set8
	p.step(rows.rows, work/4, rowTile8, []*buffer{x, real, res, res8, out, out8}, func(e *exec) func(*local, int, int) {
		m := &kernel.Mixer8{Float: e.matrix(real), Expand: o.first.gemm(), Apply: p.set.Apply}
		m.Expand.In = e.matrix8(x)
		if o.quantize != nil {
			m.Quantize = o.quantize.quantizer()
		}
		if between != kernel.Identity {
			m.Act, m.Hidden = between, o.first.tail.out.quantizer()
		}
		g := &m.Expand
		if o.second != nil {
			m.Project = o.second.gemm()
			g = &m.Project
		}
		g.Out, g.Out8, g.Residual, g.Residual8 = e.matrix(out), e.matrix8(out8), e.matrix(res), e.matrix8(res8)
		return func(l *local, from, to int) {
			s := l.floats(scratch)
			l.integers.mixer = *m
			l.integers.mixer.From, l.integers.mixer.To, l.integers.mixer.Scratch = from, to, s
			set.Mix(&l.integers.mixer)
			if act != kernel.Identity {
				p.set.Apply(g.Out.Data[from*g.Out.LD:to*g.Out.LD], act)
			}
		}
	})
	return nil
}

// rowTile8 is what the rows that a thread works on are a multiple of.
const rowTile8 = 24

// output returns the buffers for residuals and result of an operator that ends with t; of
// the two results one is nil. Candidates are the buffers that the result may overwrite.
func (o *opBase) output(p *planner, t *tail8, l layout, candidates func(res *buffer) []*buffer) (res, res8, out, out8 *buffer) {
	if t.out == nil {
		if t.residual != nil {
			res = p.value(t.residual, l)
		}
		var fit []*buffer
		for _, c := range candidates(res) {
			if c != nil && !c.bytes {
				fit = append(fit, c)
			}
		}
		return res, nil, p.result(l, fit...), nil
	}
	if t.residual8 != nil {
		res8 = p.integers(t.residual8, l)
	}
	return nil, res8, nil, p.result8(l, candidates(res8)...)
}

// packedChannels is how many channels an image can have to be stored with that many bytes
// for a pixel, for dense convolutions.
const packedChannels = 4

// patches brings the weight of a dense product in the order of patches: for each row of the
// kernel its pixels, with packedChannels channels or as many as there are, and zeros up to a
// multiple of four.
func (p *product8) patches() {
	cin, height, width := p.weight[1], p.weight[2], p.weight[3]
	p.pixel = max(cin, packedChannels)
	run := kernel.Pad(width*p.pixel, 4)
	w := make([]int8, p.n*height*run)
	for i := range p.n * height {
		for x := range width {
			copy(w[i*run+x*p.pixel:], p.w[(i*width+x)*cin:][:cin])
		}
	}
	p.w, p.k = w, height*run
}

// dense8Op is a convolution as a product of patches, which are read in place from a copy of
// the image with a border.
type dense8Op struct {
	opBase
	quantize *quantization // of the graph's input
	first    stage8
}

// frame is an image with a border, pixel bytes for each pixel and ld for each row.
type frame struct {
	n, h, w, ld, pixel int
}

func (o *dense8Op) plan(p *planner) error {
	prod := o.first.p
	shape := p.dims(o.in[0])
	c := prod.conv
	f := frame{n: shape[0], h: shape[2] + c.Pads[0] + c.Pads[2], w: shape[3] + c.Pads[1] + c.Pads[3], pixel: prod.pixel}
	f.ld = kernel.Pad(f.w*f.pixel+slack, kernel.Lanes8)
	framed := newBytes([]int{f.n * f.h, f.ld}, rowsLayout)
	p.allocate(framed)
	o.frame(p, f, framed)

	res, res8, out, out8 := o.output(p, &o.first.tail, chansLayout, func(res *buffer) []*buffer { return []*buffer{res} })
	shape = p.dims(o.out)
	width := shape[3]
	act, between := o.first.tail.acts()
	scratch := kernel.Mixer8Scratch(prod.k, prod.n, between)
	p.scratch = max(p.scratch, scratch)
	set := p.program.weights.set8
	p.step(shape[0]*shape[2], width*prod.k*prod.n/4, 1, []*buffer{framed, res, res8, out, out8}, func(e *exec) func(*local, int, int) {
		m := &kernel.Mixer8{Expand: o.first.gemm(), Apply: p.set.Apply}
		m.Expand.Segments, m.Expand.Below = prod.weight[2], f.ld
		m.Expand.In.LD = c.Strides[1] * f.pixel
		if between != kernel.Identity {
			m.Act, m.Hidden = between, o.first.tail.out.quantizer()
		}
		src, dst, dst8, add, add8 := e.bytes(framed), e.matrix(out), e.matrix8(out8), e.matrix(res), e.matrix8(res8)
		return func(l *local, from, to int) {
			k := &l.integers.mixer
			s := l.floats(scratch)
			for r := from; r < to; r++ {
				*k = *m
				k.From, k.To, k.Scratch = 0, width, s
				k.Expand.In.Data = src[(r/shape[2]*f.h+r%shape[2]*c.Strides[0])*f.ld:]
				k.Expand.Out, k.Expand.Out8 = below(dst, r*width), below8(dst8, r*width)
				k.Expand.Residual, k.Expand.Residual8 = below(add, r*width), below8(add8, r*width)
				set.Mix(k)
			}
			if act != kernel.Identity {
				p.set.Apply(dst.Data[from*width*dst.LD:to*width*dst.LD], act)
			}
		}
	})
	return nil
}

// slack is how many bytes behind a pixel may be written while it is copied in blocks.
const slack = 63

// spread copies pixels of n bytes from rows of src, which are ld apart, to dst, where they
// follow each other step apart. What is written behind a pixel is overwritten by the next.
func spread(dst []uint8, step int, src []uint8, ld, n, pixels int) {
	switch {
	case n <= 16:
		for i := range pixels {
			*(*[16]uint8)(dst[i*step:]) = *(*[16]uint8)(src[i*ld:])
		}
	case n <= 32:
		for i := range pixels {
			*(*[32]uint8)(dst[i*step:]) = *(*[32]uint8)(src[i*ld:])
		}
	default:
		for i := range pixels {
			for j := 0; j < n; j += 64 {
				*(*[64]uint8)(dst[i*step+j:]) = *(*[64]uint8)(src[i*ld+j:])
			}
		}
	}
}

// below returns m without its first rows; no matrix stays no matrix.
func below(m kernel.Matrix, rows int) kernel.Matrix {
	if m.Data != nil {
		m.Data, m.Rows = m.Data[rows*m.LD:], m.Rows-rows
	}
	return m
}

func below8(m kernel.Matrix8, rows int) kernel.Matrix8 {
	if m.Data != nil {
		m.Data, m.Rows = m.Data[rows*m.LD:], m.Rows-rows
	}
	return m
}

// frame appends the step that gives the input its border and, where that is part of the
// operator, quantizes it.
func (o *dense8Op) frame(p *planner, f frame, framed *buffer) {
	var x *buffer
	if o.quantize != nil {
		x = p.value(o.in[0], planarLayout)
	} else {
		x = p.integers(o.in[0], chansLayout)
	}
	pads := o.first.p.conv.Pads
	zero := o.first.p.in.zero
	height, width, channels := x.shape[2], x.shape[3], x.shape[1]
	line := kernel.Pad(width, kernel.Lanes8)
	scratch := packedChannels * line / 4
	p.scratch = max(p.scratch, scratch)
	p.step(f.n*f.h, f.ld, 1, []*buffer{x, framed}, func(e *exec) func(*local, int, int) {
		dst := e.bytes(framed)
		return func(l *local, from, to int) {
			for r := from; r < to; r++ {
				row := dst[r*f.ld:][:f.ld]
				n, y := r/f.h, r%f.h-pads[0]
				if y < 0 || y >= height {
					fill(row, zero)
					continue
				}
				left, right := pads[1]*f.pixel, (pads[1]+width)*f.pixel
				fill(row[:left], zero)
				if o.quantize == nil {
					// Blocks end inside a pixel's padding.
					in := e.bytes(x)[(n*height+y)*width*x.ld:][:width*x.ld]
					spread(row[left:], f.pixel, in, x.ld, channels, width)
				} else {
					lines := kernel.Bytes(l.floats(scratch))
					for c := range channels {
						p.line(lines[c*line:][:width], e.data(x)[((n*channels+c)*height+y)*width:][:width], o.quantize.quantizer())
					}
					interleave(row[left:right], lines, line)
				}
				fill(row[right:], zero)
			}
		}
	})
}

// interleave brings packedChannels lines of bytes together.
func interleave(dst, lines []uint8, line int) {
	n := len(dst) / packedChannels
	a, b, c, d := lines[:n], lines[line:][:n], lines[2*line:][:n], lines[3*line:][:n]
	for i := range n {
		binary.LittleEndian.PutUint32(dst[packedChannels*i:], uint32(a[i])|uint32(b[i])<<8|uint32(c[i])<<16|uint32(d[i])<<24)
	}
}

// line quantizes a row of any length.
func (p *planner) line(dst []uint8, src []float32, q kernel.Quantization8) {
	whole := len(src) / kernel.Lanes * kernel.Lanes
	p.program.weights.set8.Quantize(kernel.Matrix8{Data: dst, Rows: 1, LD: whole}, kernel.Matrix{Data: src, Rows: 1, LD: whole}, q, 0, 1)
	for i, x := range src[whole:] {
		dst[whole+i] = kernel.Quantize8(x, q)
	}
}

func fill(b []uint8, v uint8) {
	for i := range b {
		b[i] = v
	}
}

// depthwise8Op is a depthwise 3×3 convolution with padding 1 and a quantized result.
type depthwise8Op struct {
	opBase
	p    *product8
	w    *packed8
	tail tail8
}

func (o *depthwise8Op) plan(p *planner) error {
	x := p.integers(o.in[0], chansLayout)
	out := p.result8(chansLayout)
	img := image(x, out, o.p.conv.Strides[0])
	if p.large {
		return nil // an error is on its way
	}
	border := kernel.NewBytes(img.W * x.ld)
	fill(border, o.p.in.zero)
	scale := o.p.scales(o.tail.out.scale, kernel.Lanes8)
	set := p.program.weights.set8
	p.step(img.N*img.HO, 2*img.WO*x.ld, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		d := kernel.Depthwise8{Image: img, In: e.matrix8(x), Out: e.matrix8(out), W: o.w.taps, Border: border, Scale: scale,
			Zero: o.tail.out.zero, Floor: o.tail.floor, Table: o.tail.table}
		return func(l *local, from, to int) {
			l.integers.depthwise = d
			l.integers.depthwise.From, l.integers.depthwise.To = from, to
			set.Depthwise(&l.integers.depthwise)
		}
	})
	return nil
}
