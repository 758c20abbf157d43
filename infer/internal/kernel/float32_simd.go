//go:build (amd64 || arm64) && !purego

package kernel

import (
	"runtime"
	"unsafe"
)

// simd is the float32 kernels of an instruction set: what is done in Go around the assembly,
// which the methods and functions of the processor's own file call.
//
// Its Packed.B is a sequence of panels, each K rows of one to three vectors of columns, so
// that the panel with column j begins at element j·K.
type simd struct {
	name  string
	lanes int // elements of a vector, as assembly counts them: it may work on several registers at a time
	// Constants of the activation functions.
	gelu, sigmoid []float32
}

func (s *simd) float32() *Float32 {
	return &Float32{
		Name:         s.name,
		Pack:         s.pack,
		PackRows:     s.packRows,
		Gemm:         s.multiply,
		Mixer:        s.mix,
		Depthwise:    s.depthwise,
		DepthwiseN:   s.depthwiseN,
		Conv3x3:      s.conv3x3,
		Winograd:     s.winograd,
		SumColumns:   s.sumColumns,
		ScaleColumns: s.scaleColumns,
		ToPlanar:     toPlanar,
		Apply:        s.apply,
		AddInto:      s.addInto,
		AddScaled:    addScaled,
		MaxInto:      maxInto,
	}
}

// alignedTable copies a table to where no vector of it straddles two cache lines.
func alignedTable(bits []uint32) []float32 {
	t := Floats(len(bits))
	copy(unsafe.Slice((*uint32)(unsafe.Pointer(&t[0])), len(t)), bits)
	return t
}

// address returns where elements [from, to) of x are, having checked that x has them.
// Descriptions hold addresses as numbers, because assembly moves some of them past the end
// of their array, which a pointer must never be; whoever calls keeps x alive.
func address(x []float32, from, to int) uintptr {
	x = x[from:to]
	return uintptr(unsafe.Pointer(unsafe.SliceData(x)))
}

// tile describes a column of tiles of a matrix product to assembly, which advances a, out
// and residual and counts tiles down. Distances and offsets are in bytes.
type tile struct {
	a, b, bias, out, residual, table uintptr
	lda, ldo, ldr                    int
	step, k, segments                int // step is the distance of inputs in k; k counts each segment's
	rows, tiles, act                 int
	ahead                            int    // distance from weights to those to prefetch
	aOffset, bOffset                 [9]int // of each segment
}

// tiles computes rows rows of a panel that t describes but for their number. Rows are
// spread evenly over as few tiles as possible, because tiles of few rows do not keep the
// multipliers busy. Every row is computed in the same order whatever its tile.
func (s *simd) tiles(t *tile, rows, columns, most int) {
	n := (rows + most - 1) / most
	t.rows = rows/n + 1
	if t.tiles = rows % n; t.tiles > 0 {
		s.run(t, columns)
	}
	t.rows--
	t.tiles = n - rows%n
	s.run(t, columns)
}

// pack transposes the weights of eight outputs at a time, and what remains one by one.
func (s *simd) pack(weight []float32, n, k int, bias []float32) *Packed {
	p := &Packed{K: k, N: n, B: Floats(k * Pad(n, Lanes)), Bias: padBias(bias, n)}
	weight = weight[:n*k]
	for from := 0; from < n; {
		columns, _ := s.panel(Pad(n, Lanes) - from)
		panel := p.B[from*k:][:columns*k]
		to := min(from+columns, n)
		o := from
		for ; o+8 <= to && k >= 8; o += 8 {
			transpose8(&panel[o-from], &weight[o*k], 4*columns, 4*k, k/8)
			for j := range 8 {
				column(panel[o-from+j:], weight[(o+j)*k:][:k], columns, k/8*8)
			}
		}
		for ; o < to; o++ {
			column(panel[o-from:], weight[o*k:][:k], columns, 0)
		}
		from = to
	}
	return p
}

func (s *simd) packRows(p *Packed, w Matrix) {
	ld := Pad(p.N, Lanes)
	for from := 0; from < ld; {
		columns, _ := s.panel(ld - from)
		panel := p.B[from*p.K:][:columns*p.K]
		for i := range p.K {
			copy(panel[i*columns:][:columns], w.Data[i*w.LD+from:][:columns])
		}
		from += columns
	}
}

// toPlanar is ToPlanar. It takes so many pixels at a time that their rows stay in a cache while
// it goes through the channels, eight by eight.
func toPlanar(dst []float32, src Matrix, channels, pixels, from, to int) {
	for from < to {
		n, p := from/pixels, from%pixels
		block := min(256, to-from, pixels-p)
		whole, eights := block/8*8, channels/8*8
		part := Matrix{Data: src.Data[from*src.LD:][:(block-1)*src.LD+channels], Rows: block, LD: src.LD}
		image := dst[n*channels*pixels:][:channels*pixels]
		for c := 0; c < eights; c += 8 {
			for i := 0; i < whole; i += 8 {
				transpose8(&image[c*pixels+p+i], &part.Data[i*src.LD+c], 4*pixels, 4*src.LD, 1)
			}
		}
		for i := range block {
			row, first := part.Data[i*src.LD:][:channels], eights
			if i >= whole {
				first = 0
			}
			for c := first; c < channels; c++ {
				image[c*pixels+p+i] = row[c]
			}
		}
		from += block
	}
}

// column writes elements [from, len(row)) of a row to where they belong in a column.
func column(dst, row []float32, ld, from int) {
	for i := from; i < len(row); i++ {
		dst[i*ld] = row[i]
	}
}

// multiply is Gemm. It takes as many rows at a time as leave room for weights in the
// second-level cache.
func (s *simd) multiply(g *Gemm) {
	block := max(84, 40<<10/max(g.W.K, 1)/84*84)
	for from := g.From; from < g.To; from += block {
		s.multiplyRows(g, from, min(from+block, g.To), address(g.W.B, 0, 0))
	}
	runtime.KeepAlive(g)
}

// multiplyRows computes rows [from, to). While it reads a panel it prefetches the one after
// it to the second-level cache, because the weights of a network are more than any cache
// near the core holds; next is what is read after the last one.
func (s *simd) multiplyRows(g *Gemm, from, to int, next uintptr) {
	ld := Pad(g.W.N, Lanes)
	last := to - 1
	if !inTiles(g.Act) {
		s.multiplyApply(g, from, to)
		return
	}
	var t tile
	t.table = address(s.gelu, 0, len(s.gelu))
	t.lda, t.ldo, t.ldr = 4*g.In.LD, 4*g.Out.LD, 4*g.Residual.LD
	t.step, t.k, t.segments = 4, g.W.K, 1
	t.act = int(g.Act.Function)
	a := address(g.In.Data, from*g.In.LD, last*g.In.LD+g.W.K)
	out := address(g.Out.Data, from*g.Out.LD, last*g.Out.LD+ld)
	b, bias := address(g.W.B, 0, g.W.K*ld), address(g.W.Bias, 0, ld)
	var residual uintptr
	if g.Residual.Data != nil {
		residual = address(g.Residual.Data, from*g.Residual.LD, last*g.Residual.LD+ld)
	}
	for j := 0; j < ld; {
		columns, most := s.panel(ld - j)
		at := uintptr(4 * j)
		t.a, t.b, t.bias, t.out = a, b+at*uintptr(g.W.K), bias+at, out+at
		t.ahead = 4 * columns * g.W.K
		if j+columns == ld {
			t.ahead = int(next - t.b)
		}
		t.residual = 0
		if residual != 0 {
			t.residual = residual + at
		}
		s.tiles(&t, to-from, columns, most)
		j += columns
	}
}

// inTiles reports whether the matrix kernels apply the activation themselves.
func inTiles(act Activation) bool { return act.Function <= relu }

// multiplyApply is for other activations. It takes as many rows at a time as stay in the
// second-level cache until they are activated.
func (s *simd) multiplyApply(g *Gemm, from, to int) {
	ld := Pad(g.W.N, Lanes)
	one := Gemm{In: g.In, Out: g.Out, W: g.W}
	if g.Residual.Data == nil {
		block := max(14, 32<<10/ld/14*14)
		for ; from < to; from += block {
			last := min(from+block, to)
			s.multiplyRows(&one, from, last, address(g.W.B, 0, 0))
			if ld == g.Out.LD {
				s.apply(g.Out.Data[from*ld:last*ld], g.Act)
				continue
			}
			for r := from; r < last; r++ {
				s.apply(g.Out.Data[r*g.Out.LD:][:ld], g.Act)
			}
		}
		return
	}
	one.Out = Matrix{Data: Floats(ld), Rows: 1, LD: ld} // because the residual may be the output
	for r := from; r < to; r++ {
		one.In = g.In.from(r, 1)
		s.multiplyRows(&one, 0, 1, address(g.W.B, 0, 0))
		s.apply(one.Out.Data, g.Act)
		s.addInto(one.Out.Data, g.Residual.Data[r*g.Residual.LD:][:ld])
		copy(g.Out.Data[r*g.Out.LD:][:ld], one.Out.Data)
	}
}

// mix is Mixer.
func (s *simd) mix(m *Mixer) {
	rows := m.tileRows()
	for from := m.From; from < m.To; from += rows {
		expand, project := m.tile(from, min(rows, m.To-from))
		s.multiplyRows(&expand, 0, expand.To, address(m.Project.B, 0, 0))
		s.multiplyRows(&project, 0, project.To, address(m.Expand.B, 0, 0))
	}
	runtime.KeepAlive(m)
}

// conv3x3 is Conv3x3: a product over the taps inside the image. Pixels that have the same
// taps form tiles: the inner part of a row, and for pixels at the left and right border
// columns of them, one below the other.
func (s *simd) conv3x3(v *Conv3x3) {
	if !regular(v.Image) {
		conv3x3Generic(&Conv3x3{Image: v.Image, Cin: v.Cin, In: v.In, Out: v.Out, Planar: v.Planar, W: s.unpack(v.W), Act: v.Act, From: v.From, To: v.To})
		return
	}
	if v.From >= v.To {
		return
	}
	c := s.dense(v)
	inner := max(1, (v.Image.W-2)/v.Stride+1) // where the border on the right begins
	if v.Image.W < 2 {
		inner = 1
	}
	for r := v.From; r < v.To; {
		n, y := r/v.HO, r%v.HO
		rows := min(v.HO-y, v.To-r)
		for i := range rows {
			if inner > 1 {
				c.tiles(n, y+i, 1, inner-1, false)
			}
		}
		for x := 0; x < v.WO; x = max(x+1, inner) {
			c.column(n, y, x, rows)
		}
		if !inTiles(v.Act) {
			for p := r * v.WO; p < (r+rows)*v.WO; p++ {
				s.apply(v.Out.Data[p*v.Out.LD:][:c.ld], v.Act)
			}
		}
		r += rows
	}
	runtime.KeepAlive(v)
}

// regular reports whether an output has the size that its input and stride make it.
func regular(i Image) bool {
	return i.Stride >= 1 && i.HO == (i.H-1)/i.Stride+1 && i.WO == (i.W-1)/i.Stride+1
}

// unpack returns weights as plain Go has them.
func (s *simd) unpack(w *Packed) *Packed {
	ld := Pad(w.N, Lanes)
	p := &Packed{K: w.K, N: w.N, B: Floats(len(w.B)), Bias: w.Bias}
	for from := 0; from < ld; {
		columns, _ := s.panel(ld - from)
		for k := range w.K {
			copy(p.B[k*ld+from:][:columns], w.B[from*w.K+k*columns:])
		}
		from += columns
	}
	return p
}

// dense is a Conv3x3 with what its tiles have in common.
type dense struct {
	*Conv3x3
	simd             *simd
	t                tile
	in, out, b, bias uintptr
	ld               int // columns of the output
	// Distances in the input, in bytes.
	image, row, pixel int
}

func (s *simd) dense(v *Conv3x3) dense {
	c := dense{Conv3x3: v, simd: s, ld: Pad(v.W.N, Lanes)}
	pixels := v.H * v.Image.W
	if v.Planar != nil {
		c.in = address(v.Planar, 0, v.N*v.Cin*pixels)
		c.image, c.row, c.pixel, c.t.step = 4*v.Cin*pixels, 4*v.Image.W, 4, 4*pixels
	} else {
		c.in = address(v.In.Data, 0, (v.N*pixels-1)*v.In.LD+v.Cin)
		c.pixel, c.t.step = 4*v.In.LD, 4
		c.row = c.pixel * v.Image.W
		c.image = c.row * v.H
	}
	c.out = address(v.Out.Data, 0, (v.To*v.WO-1)*v.Out.LD+c.ld)
	c.b, c.bias = address(v.W.B, 0, v.W.K*c.ld), address(v.W.Bias, 0, c.ld)
	c.t.table = address(s.gelu, 0, len(s.gelu))
	c.t.k = v.Cin
	if inTiles(v.Act) {
		c.t.act = int(v.Act.Function)
	}
	return c
}

// column computes rows pixels below each other, which may begin and end at a border.
func (c *dense) column(n, y, x, rows int) {
	for rows > 0 {
		run := 1
		if y > 0 { // down to the last row that has another one below it
			run = max(1, min(rows, (c.H-2)/c.Stride+1-y))
		}
		c.tiles(n, y, x, run, true)
		y, rows = y+run, rows-run
	}
}

// tiles computes count pixels from (y, x) of an image on, to the right or down, which have
// the same taps.
func (c *dense) tiles(n, y, x, count int, down bool) {
	t := &c.t
	iy, ix := y*c.Stride, x*c.Stride
	t.lda, t.ldo = c.Stride*c.pixel, 4*c.Out.LD
	if down {
		t.lda, t.ldo = c.Stride*c.row, 4*c.Out.LD*c.WO
	}
	var taps [9]int
	t.segments = 0
	for ky := range 3 {
		for kx := range 3 {
			if ky+iy < 1 || ky+iy > c.H || kx+ix < 1 || kx+ix > c.Image.W {
				continue
			}
			t.aOffset[t.segments] = (ky-1)*c.row + (kx-1)*c.pixel
			taps[t.segments] = ky*3 + kx
			t.segments++
		}
	}
	a := c.in + uintptr(n*c.image+iy*c.row+ix*c.pixel)
	out := c.out + uintptr(4*c.Out.LD*((n*c.HO+y)*c.WO+x))
	for j := 0; j < c.ld; {
		columns, most := c.simd.panel(c.ld - j)
		for i, tap := range taps[:t.segments] {
			t.bOffset[i] = 4 * tap * c.Cin * columns
		}
		at := uintptr(4 * j)
		t.a, t.b, t.bias, t.out = a, c.b+at*uintptr(c.W.K), c.bias+at, out+at
		c.simd.tiles(t, count, columns, most)
		j += columns
	}
}

// taps describes one or two output rows of a depthwise convolution to assembly, which
// advances in and out. Distances are in bytes.
type taps struct {
	in, out, taps, bias                   uintptr // in is the input row in the middle
	inRow, inPixel, outRow, outPixel, tap int
	vectors                               int
	columns                               int // stride 1: all; stride 2: outputs with three columns of input
	missing                               int // 1 if there is no row above, 2 if there is none below
	odd                                   int // stride 2: 1 if there is one more output, with two columns
}

// depthwise is Depthwise.
func (s *simd) depthwise(d *Depthwise) {
	ld := d.Out.LD
	if !regular(d.Image) || d.Stride > 2 || ld%Lanes != 0 {
		depthwiseGeneric(d)
		return
	}
	if d.From >= d.To {
		return
	}
	in := address(d.In.Data, 0, (d.N*d.H*d.W-1)*d.In.LD+ld)
	out := address(d.Out.Data, 0, d.To*d.WO*ld)
	t := taps{
		taps: address(d.Taps, 0, 9*ld), bias: address(d.Bias, 0, ld),
		inRow: 4 * d.W * d.In.LD, inPixel: 4 * d.In.LD, outRow: 4 * d.WO * ld, outPixel: 4 * ld, tap: 4 * ld,
		vectors: ld / s.lanes, columns: d.W,
	}
	if d.Stride == 2 {
		t.columns, t.odd = d.W/2, d.W%2
	}
	for r := d.From; r < d.To; {
		n, y := r/d.HO, r%d.HO
		rows := 1
		if d.Stride == 1 {
			rows = min(2, d.HO-y, d.To-r)
		}
		t.in = in + uintptr((n*d.H+y*d.Stride)*t.inRow)
		t.out = out + uintptr(r*t.outRow)
		t.missing = 0
		if y == 0 {
			t.missing = 1
		}
		if y*d.Stride+rows >= d.H {
			t.missing |= 2
		}
		s.rows(&t, d.Stride, rows)
		if d.Act != Identity {
			s.apply(d.Out.Data[r*d.WO*ld:(r+rows)*d.WO*ld], d.Act)
		}
		r += rows
	}
	runtime.KeepAlive(d)
}

// window describes a run of pixels of a row, whose windows lie in the image alike, to
// assembly. Distances and offsets are in bytes.
type window struct {
	in, out, taps, bias uintptr // of the first pixel; in is where its window would begin
	pixel, tap          int     // between neighbours of a window's row, between their taps
	step, outStep       int     // between windows, between results
	vectors, pixels     int
	rows, columns       int // of each window, those in the image
	aOffset, bOffset    [16]int
}

// depthwiseN is DepthwiseN.
func (s *simd) depthwiseN(d *DepthwiseN) {
	ld := d.Out.LD
	t := window{pixel: 4 * d.Dilations[1] * ld, tap: 4 * ld, step: 4 * d.Strides[1] * ld, outStep: 4 * ld, vectors: ld / s.lanes}
	if d.In.LD != ld || ld%Lanes != 0 || d.Kernel[0] > len(t.aOffset) {
		depthwiseNGeneric(d)
		return
	}
	if d.From >= d.To {
		return
	}
	in := address(d.In.Data, 0, d.N*d.H*d.W*ld)
	out := address(d.Out.Data, 0, d.To*d.WO*ld)
	taps := address(d.Taps, 0, d.Kernel[0]*d.Kernel[1]*ld)
	t.bias = address(d.Bias, 0, ld)
	for r := d.From; r < d.To; r++ {
		n, top := r/d.HO, r%d.HO*d.Strides[0]-d.Pads[0]
		y0, y1 := within(d.Kernel[0], d.Dilations[0], top, d.H)
		for x := 0; x < d.WO; {
			left := x*d.Strides[1] - d.Pads[1]
			x0, x1 := within(d.Kernel[1], d.Dilations[1], left, d.W)
			t.pixels = 1
			if x0 == 0 && x1 == d.Kernel[1] { // and so have all up to the last that fits
				t.pixels = min(d.WO, (d.W-(d.Kernel[1]-1)*d.Dilations[1]-1+d.Pads[1])/d.Strides[1]+1) - x
			}
			t.rows, t.columns = max(0, y1-y0), max(0, x1-x0)
			if t.columns == 0 {
				t.rows = 0
			}
			for i := range t.rows {
				t.aOffset[i] = 4 * ld * ((y0+i)*d.Dilations[0]*d.W + x0*d.Dilations[1])
				t.bOffset[i] = 4 * ld * ((y0+i)*d.Kernel[1] + x0)
			}
			t.in = in + uintptr(4*ld*((n*d.H+top)*d.W+left))
			t.out = out + uintptr(4*ld*(r*d.WO+x))
			t.taps = taps
			s.window(&t)
			x += t.pixels
		}
		s.apply(d.Out.Data[r*d.WO*ld:(r+1)*d.WO*ld], d.Act)
	}
	runtime.KeepAlive(d)
}

// within returns which taps of a kernel that begins at a coordinate are inside an axis.
func within(kernel, dilation, at, size int) (from, to int) {
	return (max(0, -at) + dilation - 1) / dilation, min(kernel, (max(0, size-at)+dilation-1)/dilation)
}

func (s *simd) sumColumns(dst []float32, in Matrix, from, to int) {
	whole := (to - from) / s.lanes * s.lanes
	if in.Rows == 0 || from+whole < to {
		sumColumnsGeneric(dst, in, from+whole, to)
	}
	if in.Rows == 0 {
		clear(dst[from:to])
		return
	}
	if whole == 0 {
		return
	}
	d, x := dst[from:from+whole], in.Data[from:(in.Rows-1)*in.LD+from+whole]
	s.sum(&d[0], &x[0], in.Rows, 4*in.LD, whole/s.lanes)
}

func (s *simd) scaleColumns(x Matrix, gate []float32, from, to int) {
	if x.LD%Lanes != 0 || x.LD == 0 {
		scaleColumnsGeneric(x, gate, from, to)
		return
	}
	if from >= to {
		return
	}
	gate = gate[:x.LD]
	rows := x.Data[from*x.LD : to*x.LD]
	s.scale(&rows[0], &gate[0], to-from, 4*x.LD, x.LD/s.lanes)
}

func (s *simd) addInto(dst, src []float32) {
	src = src[:len(dst)]
	n := len(dst) / s.lanes
	if n > 0 {
		s.add(&dst[0], &src[0], n)
	}
	addIntoGeneric(dst[n*s.lanes:], src[n*s.lanes:])
}

// addScaled is for all sets of a processor.
func addScaled(dst, src []float32, scale float32) {
	src = src[:len(dst)]
	n := len(dst) / 8
	if n > 0 {
		addScaled8(&dst[0], &src[0], scale, n)
	}
	addScaledGeneric(dst[8*n:], src[8*n:], scale)
}

// maxInto is for all sets of a processor.
func maxInto(dst, src []float32) {
	src = src[:len(dst)]
	n := len(dst) / 8
	if n > 0 {
		max8(&dst[0], &src[0], n)
	}
	maxIntoGeneric(dst[8*n:], src[8*n:])
}

// apply is Apply. The elements after the last whole vector are computed like the others,
// in a copy.
func (s *simd) apply(x []float32, act Activation) {
	if act == Identity {
		return
	}
	table := s.gelu
	switch act.Function {
	case sigmoid, exp:
		table = s.sigmoid
	case clamp, gatedClamp:
		table = []float32{act.Scale, act.Shift, act.Low, act.High}
	}
	n := len(x) / s.lanes
	if n > 0 {
		s.applyVectors(&x[0], n, act, table)
	}
	if rest := x[n*s.lanes:]; len(rest) > 0 {
		var v [Lanes]float32
		copy(v[:], rest)
		s.applyVectors(&v[0], 1, act, table)
		copy(rest, v[:])
	}
}
