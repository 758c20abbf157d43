package kernel

// generic8 is the integer set in plain Go: what other processors run, and the twin that
// every assembly kernel is tested against.
//
// Its Packed8.B is the transposed weight matrix, K rows of Pad(N, Lanes) columns; its
// Taps8.B has 9 rows of Pad(C, Lanes8) channels.
var generic8 = Int8{
	Name:       "generic",
	WeightSize: 1,
	Pack:       pack8Generic,
	Gemm:       gemm8Generic,
	PackTaps:   packTaps8Generic,
	Depthwise:  depthwise8Generic,
	Quantize:   quantize8Generic,
	Dequantize: dequantize8Generic,
	Lookup:     lookup8Generic,
	Sum:        sum8Generic,
	Scale:      scale8Generic,
	SumColumns: sumColumns8Generic,
}

func pack8Generic(weight []int8, n, k int, bias []int32) *Packed8 {
	ld := Pad(n, Lanes)
	p := newPacked8(n, k, bias)
	p.B = make([]int8, k*ld)
	for o := range n {
		for i, w := range weight[o*k:][:k] {
			p.B[i*ld+o] = w
		}
	}
	return p
}

func newPacked8(n, k int, bias []int32) *Packed8 {
	p := &Packed8{K: k, N: n, Bias: make([]int32, Pad(n, Lanes)), none: make([]float32, Pad(n, Lanes))}
	copy(p.Bias, bias[:n])
	return p
}

func gemm8Generic(g *Gemm8) {
	ld := Pad(g.W.N, Lanes)
	segments := max(g.Segments, 1)
	n := g.W.K / segments
	for r := g.From; r < g.To; r++ {
		for j := 0; j < ld; j += 8 {
			acc := [8]int32(g.W.Bias[j:])
			for i := range segments {
				acc = dot8x8(g.In.Data[r*g.In.LD+i*g.Below:][:n], g.W.B[i*n*ld+j:], ld, acc)
			}
			g.finish(r, j, acc[:])
		}
	}
}

// dot8x8 adds the product of in with eight columns of b, whose rows are ld apart, to acc.
func dot8x8(in []uint8, b []int8, ld int, acc [8]int32) [8]int32 {
	s0, s1, s2, s3, s4, s5, s6, s7 := acc[0], acc[1], acc[2], acc[3], acc[4], acc[5], acc[6], acc[7]
	for k, x := range in {
		a, w := int32(x), (*[8]int8)(b[k*ld:])
		s0 += a * int32(w[0])
		s1 += a * int32(w[1])
		s2 += a * int32(w[2])
		s3 += a * int32(w[3])
		s4 += a * int32(w[4])
		s5 += a * int32(w[5])
		s6 += a * int32(w[6])
		s7 += a * int32(w[7])
	}
	return [8]int32{s0, s1, s2, s3, s4, s5, s6, s7}
}

// finish turns the sums of row r from column j on into results. Conversions keep compilers
// from fusing a product and a sum, which would round once instead of twice.
func (g *Gemm8) finish(r, j int, acc []int32) {
	scale := g.Scale[j:][:len(acc)]
	for i, a := range acc {
		v := float32(float32(a) * scale[i])
		if g.Round {
			v = float32(roundBetween(v, g.Low, g.High) * g.Step)
		}
		if g.Out8.Data == nil {
			// Without a residual zero is added, so that there is no negative zero.
			res := float32(0)
			if g.Residual.Data != nil {
				res = g.Residual.Data[r*g.Residual.LD+j+i]
			}
			g.Out.Data[r*g.Out.LD+j+i] = v + res
			continue
		}
		if g.Residual8.Data != nil {
			b := g.Residual8.Data[r*g.Residual8.LD+j+i]
			v += float32(float32(int32(b)-int32(g.Residual8Zero)) * g.Residual8Step)
		}
		q := max(saturate(round32(v)+int32(g.Zero)), g.Floor)
		if g.Table != nil {
			q = g.Table[q]
		}
		g.Out8.Data[r*g.Out8.LD+j+i] = q
	}
}

// roundBetween rounds v and limits it to [low, high].
func roundBetween(v, low, high float32) float32 {
	return min(max(float32(round32(v)), low), high)
}

func packTaps8Generic(weight []int8, c int, bias []int32) *Taps8 {
	ld := Pad(c, Lanes8)
	t := newTaps8(c, bias)
	t.B = make([]int8, 9*ld)
	for i := range c {
		for k, w := range weight[i*9:][:9] {
			t.B[k*ld+i] = w
		}
	}
	return t
}

func newTaps8(c int, bias []int32) *Taps8 {
	t := &Taps8{C: c, Bias: make([]int32, Pad(c, Lanes8))}
	copy(t.Bias, bias[:c])
	return t
}

func depthwise8Generic(d *Depthwise8) {
	ld := d.In.LD
	for r := d.From; r < d.To; r++ {
		n, y := r/d.HO, r%d.HO
		for x := range d.WO {
			out := d.Out.Data[(r*d.WO+x)*d.Out.LD:][:ld]
			var taps [9][]uint8
			for t := range taps {
				taps[t] = d.tap(n, y*d.Stride+t/3-1, x*d.Stride+t%3-1)
			}
			for c := range out {
				acc := d.W.Bias[c]
				for t, in := range taps {
					acc += int32(in[c]) * int32(d.W.B[t*ld+c])
				}
				q := max(saturate(round32(float32(acc)*d.Scale[c])+int32(d.Zero)), d.Floor)
				if d.Table != nil {
					q = d.Table[q]
				}
				out[c] = q
			}
		}
	}
}

// tap returns the pixel at (y, x) of image n, which may lie outside.
func (d *Depthwise8) tap(n, y, x int) []uint8 {
	if y < 0 || y >= d.H || x < 0 || x >= d.Image.W {
		return d.Border[:d.In.LD]
	}
	return d.In.Data[((n*d.H+y)*d.Image.W+x)*d.In.LD:][:d.In.LD]
}

func quantize8Generic(dst Matrix8, src Matrix, q Quantization8, from, to int) {
	for r := from; r < to; r++ {
		in := src.Data[r*src.LD:][:src.LD]
		out := dst.Data[r*dst.LD:][:len(in)]
		for i, x := range in {
			out[i] = Quantize8(x, q)
		}
	}
}

func dequantize8Generic(dst Matrix, src Matrix8, columns int, scale float32, zero uint8, from, to int) {
	for r := from; r < to; r++ {
		out := dst.Data[r*dst.LD:][:dst.LD]
		for i, q := range src.Data[r*src.LD:][:columns] {
			out[i] = float32(int32(q)-int32(zero)) * scale
		}
		clear(out[columns:])
	}
}

func lookup8Generic(dst, src []uint8, table *[256]uint8) {
	dst = dst[:len(src)]
	for i, q := range src {
		dst[i] = table[q]
	}
}

func sum8Generic(s *Sum8) { sumRange(s, 0, len(s.Out)) }

// sumRange adds elements [from, to).
func sumRange(s *Sum8, from, to int) {
	a, b := s.A[:to], s.B[:to]
	for i := from; i < to; i++ {
		u := float32(float32(int32(a[i])-int32(s.AZero)) * s.AStep)
		v := float32(float32(int32(b[i])-int32(s.BZero)) * s.BStep)
		s.Out[i] = saturate(round32(u+v) + int32(s.Zero))
	}
}

func scale8Generic(dst, src Matrix8, gate []float32, unit float32, srcZero, zero uint8, from, to int) {
	for r := from; r < to; r++ {
		scaleLine(dst.Data[r*dst.LD:][:src.LD], src.Data[r*src.LD:][:src.LD], gate, unit, srcZero, zero)
	}
}

func scaleLine(dst, src []uint8, gate []float32, unit float32, srcZero, zero uint8) {
	dst, gate = dst[:len(src)], gate[:len(src)]
	for c, q := range src {
		dst[c] = saturate(round32(float32(int32(q)-int32(srcZero))*gate[c]*unit) + int32(zero))
	}
}

func sumColumns8Generic(dst []int32, src Matrix8) {
	dst = dst[:src.LD]
	clear(dst)
	for r := range src.Rows {
		for c, q := range src.Data[r*src.LD:][:src.LD] {
			dst[c] += int32(q)
		}
	}
}
