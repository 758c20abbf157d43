//go:build (amd64 || arm64) && !purego

package kernel

import (
	"runtime"
	"unsafe"
)

// simd8 is the integer kernels of an instruction set: what is done in Go around the
// assembly, which the methods of the processor's own file call.
//
// Its Packed8 is a sequence of panels of some vectors of columns: for each group of four k,
// the four weights of each column stand together. AVX2 alone cannot multiply four at a time
// where some weight is beyond ±64: they are 16 bits wide then and groups have two k.
type simd8 struct {
	name  string
	lanes int  // int32 of a vector, as assembly counts them: it may work on several registers at a time
	block int  // channels that a depthwise convolution and the sum of columns take at a time
	quads bool // groups of four k whatever the weights
	// Products are of int8 numbers: activations are less 128, which the bias makes up for.
	signed bool
	table  bool // lookup in assembly
}

// int8 returns the set; with table, bytes are looked up in assembly.
func (s simd8) int8(table bool) *Int8 {
	s.table = table
	size := 1
	if !s.quads {
		size = 2
	}
	return &Int8{
		Name:       s.name,
		WeightSize: size,
		Pack:       s.pack,
		Gemm:       s.multiply,
		PackTaps:   s.packTaps,
		Depthwise:  s.depthwise,
		Quantize:   s.quantize,
		Dequantize: s.dequantize,
		Lookup:     s.lookup,
		Sum:        s.sum,
		Scale:      s.scale,
		SumColumns: s.sumColumns,
	}
}

// tile8 describes a column of tiles of an integer product to assembly, which advances a,
// out and residual and counts tiles down. Distances are in bytes.
type tile8 struct {
	a, b, bias, scale, out, residual, table uintptr
	lda, ldo, ldr                           int
	groups, segments, jump                  int // jump goes from the end of one segment to the next
	rows, tiles, mode                       int
	low, high, residualZero                 int32
	step, residualStep                      float32
	zero, floor                             int32
}

// Modes of a tile's epilogue.
const (
	modeFloat = iota
	modeRound
	modeBytes
	modeTable
	modeSum
)

// address8 returns where x is, having checked that it has elements [0, n). Descriptions
// hold addresses as numbers, because assembly moves some of them past the end of their
// array, which a pointer must never be; whoever calls keeps x alive.
func address8[T any](x []T, n int) uintptr {
	x = x[:n]
	return uintptr(unsafe.Pointer(unsafe.SliceData(x)))
}

func (s *simd8) pack(weight []int8, n, k int, bias []int32) *Packed8 {
	p := newPacked8(n, k, bias)
	padded := Pad(k, 4)
	size := padded * Pad(n, Lanes)
	depth := 4 // k of a group
	if s.quads || isNarrow(weight[:n*k]) {
		p.B = ints[int8](size)
	} else {
		p.wide = ints[int16](size)
		depth = 2
	}
	for from := 0; from < n; {
		vectors, _ := s.panel((Pad(n, Lanes) - from) / s.lanes)
		columns := vectors * s.lanes
		base := from * padded
		for o := from; o < min(from+columns, n); o++ {
			at := base + (o-from)*depth
			row := weight[o*k:][:k]
			if s.signed {
				for _, w := range row {
					p.Bias[o] += 128 * int32(w)
				}
			}
			if depth == 4 {
				for len(row) >= 4 {
					*(*[4]int8)(p.B[at:]) = *(*[4]int8)(row)
					row = row[4:]
					at += columns * 4
				}
				if len(row) > 0 {
					copy(p.B[at:], row)
				}
				continue
			}
			for i, w := range row {
				p.wide[at+i/2*columns*2+i%2] = int16(w)
			}
		}
		from += columns
	}
	return p
}

// isNarrow reports whether sums of two products with a uint8 fit 16 bits for all weights.
func isNarrow(weight []int8) bool {
	for _, w := range weight {
		if w < -64 || w > 64 {
			return false
		}
	}
	return true
}

// ints returns n zeroed elements that start on a 64-byte boundary.
func ints[T int8 | int16 | int32](n int) []T {
	var zero T
	b := NewBytes(max(n, 1) * int(unsafe.Sizeof(zero)))
	return unsafe.Slice((*T)(unsafe.Pointer(unsafe.SliceData(b))), n)
}

// multiply is Gemm.
func (s *simd8) multiply(g *Gemm8) {
	rows := g.To - g.From
	if rows <= 0 {
		return
	}
	k, padded := Pad(g.W.K, 4), Pad(g.W.N, Lanes)
	var t tile8
	t.segments = max(g.Segments, 1)
	segment := k / t.segments
	in := g.In.Data[g.From*g.In.LD:]
	a := address8(in, (rows-1)*g.In.LD+(t.segments-1)*g.Below+segment)
	t.lda = g.In.LD
	t.groups, t.jump = segment/4, g.Below-segment
	t.low, t.high, t.step = int32(g.Low), int32(g.High), g.Step
	t.zero, t.floor = int32(g.Zero), int32(g.Floor)
	t.residualZero, t.residualStep = int32(g.Residual8Zero), g.Residual8Step
	var out, residual uintptr
	elem, relem := 1, 4 // bytes of an element of output and residual
	if g.Out8.Data == nil {
		elem = 4
		out = address8(g.Out.Data[g.From*g.Out.LD:], (rows-1)*g.Out.LD+padded)
		t.ldo = 4 * g.Out.LD
		t.mode = modeFloat
		if g.Round {
			t.mode = modeRound
		}
		if g.Residual.Data != nil {
			residual = address8(g.Residual.Data[g.From*g.Residual.LD:], (rows-1)*g.Residual.LD+padded)
			t.ldr = 4 * g.Residual.LD
		} else {
			residual = address8(g.W.none, padded)
		}
	} else {
		out = address8(g.Out8.Data[g.From*g.Out8.LD:], (rows-1)*g.Out8.LD+padded)
		t.ldo = g.Out8.LD
		switch {
		case g.Residual8.Data != nil:
			t.mode, relem = modeSum, 1
			residual = address8(g.Residual8.Data[g.From*g.Residual8.LD:], (rows-1)*g.Residual8.LD+padded)
			t.ldr = g.Residual8.LD
		case g.Table != nil && s.table:
			t.mode = modeTable
			t.table = uintptr(unsafe.Pointer(g.Table))
		default:
			t.mode = modeBytes
		}
	}
	bias, scale := address8(g.W.Bias, padded), address8(g.Scale, padded)
	size := k * padded
	var b uintptr
	welem := 1 // bytes of a weight
	if g.W.wide == nil {
		b = address8(g.W.B, size)
	} else {
		b, welem = address8(g.W.wide, size), 2
		t.groups *= 2
	}
	for from := 0; from < padded; {
		vectors, most := s.panel((padded - from) / s.lanes)
		columns := vectors * s.lanes
		t.b = b + uintptr(from*k*welem)
		t.bias, t.scale = bias+uintptr(4*from), scale+uintptr(4*from)
		t.a = a
		t.out = out + uintptr(from*elem)
		t.residual = residual
		if g.Residual.Data != nil || g.Residual8.Data != nil {
			t.residual += uintptr(from * relem)
		}
		s.tiles(&t, rows, vectors, most, g.W.wide != nil)
		from += columns
	}
	runtime.KeepAlive(g)
	if g.Table != nil && t.mode == modeBytes {
		for r := g.From; r < g.To; r++ {
			row := g.Out8.Data[r*g.Out8.LD:][:padded]
			lookup8Generic(row, row, g.Table)
		}
	}
}

// tiles computes rows rows of a panel that t describes but for their number. Rows are
// spread evenly over as few tiles as possible, because tiles of few rows do not keep the
// multipliers busy.
func (s *simd8) tiles(t *tile8, rows, vectors, most int, wide bool) {
	n := (rows + most - 1) / most
	each := rows / n
	if each < most/2 {
		t.rows, t.tiles = 1, rows
		s.run(t, vectors, wide)
		return
	}
	t.rows = each + 1
	if t.tiles = rows % n; t.tiles > 0 {
		s.run(t, vectors, wide)
	}
	t.rows--
	t.tiles = n - rows%n
	s.run(t, vectors, wide)
}

// taps8 describes a run of pixels of a depthwise convolution to assembly.
type taps8 struct {
	in                        [9]uintptr
	out, weights, bias, scale uintptr
	step, ldo                 int
	pixels                    int
	zero, floor               int32
}

func (s *simd8) depthwise(d *Depthwise8) {
	ld := d.In.LD
	var t taps8
	t.ldo, t.zero, t.floor = d.Out.LD, int32(d.Zero), int32(d.Floor)
	border := address8(d.Border, d.Image.W*ld)
	in := address8(d.In.Data, d.N*d.H*d.Image.W*ld)
	out := address8(d.Out.Data, (d.N*d.HO*d.WO-1)*d.Out.LD+ld)
	scale := address8(d.Scale, ld)
	bias := address8(d.W.Bias, ld)
	weights, size := s.taps(d.W, ld)
	// Output pixels [1, inner) have all their columns inside the image.
	inner := max(min((d.Image.W-2)/d.Stride+1, d.WO), 1)
	run := func(rows [3]uintptr, c, y, from, to int) {
		for ky, row := range rows {
			for kx := range 3 {
				x := from*d.Stride + kx - 1
				if x < 0 || x >= d.Image.W {
					t.in[ky*3+kx] = border + uintptr(c)
				} else {
					t.in[ky*3+kx] = row + uintptr(x*ld+c)
				}
			}
		}
		t.out = out + uintptr((y*d.WO+from)*d.Out.LD+c)
		t.pixels = to - from
		s.pixels(&t)
	}
	t.step = d.Stride * ld
	for y := d.From; y < d.To; y++ {
		var rows [3]uintptr
		for ky := range rows {
			rows[ky] = border
			if iy := y%d.HO*d.Stride + ky - 1; iy >= 0 && iy < d.H {
				rows[ky] = in + uintptr((y/d.HO*d.H+iy)*d.Image.W*ld)
			}
		}
		for c := 0; c < ld; c += s.block {
			t.weights, t.bias, t.scale = weights+uintptr(c*size), bias+uintptr(4*c), scale+uintptr(4*c)
			run(rows, c, y, 0, 1)
			if inner > 1 {
				run(rows, c, y, 1, inner)
			}
			for x := inner; x < d.WO; x++ {
				run(rows, c, y, x, x+1)
			}
		}
	}
	runtime.KeepAlive(d)
	if d.Table != nil {
		for p := d.From * d.WO; p < d.To*d.WO; p++ {
			row := d.Out.Data[p*d.Out.LD:][:ld]
			s.lookup(row, row, d.Table)
		}
	}
}

// line8 describes vectors of elements to assembly.
type line8 struct {
	dst, a, b                     uintptr
	n                             int
	rows                          int
	aStep, bStep                  float32
	aZero, bZero, zero, low, high int32
	ld, ldb                       int
}

func (s *simd8) quantize(dst Matrix8, src Matrix, q Quantization8, from, to int) {
	rows := to - from
	if rows <= 0 {
		return
	}
	whole := src.LD / s.lanes * s.lanes
	in, out := src.Data[from*src.LD:], dst.Data[from*dst.LD:]
	if whole > 0 {
		l := line8{n: whole / s.lanes, rows: rows, aStep: q.Inverse, zero: int32(q.Zero), low: -int32(q.Zero), high: 255 - int32(q.Zero), ld: dst.LD, ldb: 4 * src.LD,
			a: address8(in, (rows-1)*src.LD+whole), dst: address8(out, (rows-1)*dst.LD+whole)}
		s.quantizeRows(&l)
		runtime.KeepAlive(in)
		runtime.KeepAlive(out)
	}
	if whole == src.LD {
		return
	}
	for r := range rows {
		for i, x := range in[r*src.LD+whole:][:src.LD-whole] {
			out[r*dst.LD+whole+i] = Quantize8(x, q)
		}
	}
}

func (s *simd8) dequantize(dst Matrix, src Matrix8, columns int, scale float32, zero uint8, from, to int) {
	l := line8{n: columns / s.lanes, aStep: scale, aZero: int32(zero)}
	whole := l.n * s.lanes
	for r := from; r < to; r++ {
		out := dst.Data[r*dst.LD:][:dst.LD]
		in := src.Data[r*src.LD:][:columns]
		if l.n > 0 {
			l.a, l.dst = address8(in, whole), address8(out, whole)
			s.dequantizeLine(&l)
		}
		for i, q := range in[whole:] {
			out[whole+i] = float32(int32(q)-int32(zero)) * scale
		}
		clear(out[columns:])
	}
	runtime.KeepAlive(dst.Data)
	runtime.KeepAlive(src.Data)
}

func (s *simd8) lookup(dst, src []uint8, table *[256]uint8) {
	dst = dst[:len(src)]
	whole := 0
	if s.table && len(src) >= 64 {
		whole = len(src) / 64 * 64
		l := line8{dst: address8(dst, whole), a: address8(src, whole), b: uintptr(unsafe.Pointer(table)), n: whole / 64}
		s.lookupBlocks(&l)
	}
	lookup8Generic(dst[whole:], src[whole:], table)
	runtime.KeepAlive(src)
	runtime.KeepAlive(table)
}

func (s *simd8) sum(d *Sum8) {
	n := len(d.Out)
	whole := n / s.lanes * s.lanes
	if whole > 0 {
		l := line8{dst: address8(d.Out, whole), a: address8(d.A, whole), b: address8(d.B, whole), n: whole / s.lanes,
			aStep: d.AStep, bStep: d.BStep, aZero: int32(d.AZero), bZero: int32(d.BZero), zero: int32(d.Zero), high: 255}
		s.sumLine(&l)
		runtime.KeepAlive(d)
	}
	sumRange(d, whole, n)
}

func (s *simd8) scale(dst, src Matrix8, gate []float32, unit float32, srcZero, zero uint8, from, to int) {
	whole := src.LD / s.lanes * s.lanes
	l := line8{n: whole / s.lanes, b: address8(gate, src.LD), aStep: unit, aZero: int32(srcZero), zero: int32(zero), high: 255}
	for r := from; r < to; r++ {
		in := src.Data[r*src.LD:][:src.LD]
		out := dst.Data[r*dst.LD:][:src.LD]
		if l.n > 0 {
			l.a, l.dst = address8(in, whole), address8(out, whole)
			s.gateLine(&l)
		}
		scaleLine(out[whole:], in[whole:], gate[whole:], unit, srcZero, zero)
	}
	runtime.KeepAlive(dst.Data)
	runtime.KeepAlive(src.Data)
	runtime.KeepAlive(gate)
}

func (s *simd8) sumColumns(dst []int32, src Matrix8) {
	if src.Rows == 0 || src.LD%s.block != 0 {
		sumColumns8Generic(dst, src)
		return
	}
	l := line8{dst: address8(dst, src.LD), a: address8(src.Data, src.Rows*src.LD), n: src.LD / s.block, rows: src.Rows, ld: src.LD}
	s.sumBlocks(&l)
	runtime.KeepAlive(dst)
	runtime.KeepAlive(src.Data)
}
