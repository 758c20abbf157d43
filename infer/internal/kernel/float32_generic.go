package kernel

import "math"

// generic is the float32 set in plain Go: what other processors run, and the twin that
// every assembly kernel is tested against.
//
// Its Packed.B is the transposed weight matrix, K rows of Pad(N, Lanes) columns.
var generic = Float32{
	Name:         "generic",
	Pack:         packGeneric,
	PackRows:     packRowsGeneric,
	Gemm:         gemmGeneric,
	Mixer:        mixGeneric,
	Depthwise:    depthwiseGeneric,
	DepthwiseN:   depthwiseNGeneric,
	Conv3x3:      conv3x3Generic,
	Winograd:     winogradGeneric,
	SumColumns:   sumColumnsGeneric,
	ScaleColumns: scaleColumnsGeneric,
	ToPlanar:     toPlanarGeneric,
	Apply:        applyGeneric,
	AddInto:      addIntoGeneric,
	AddScaled:    addScaledGeneric,
	MaxInto:      maxIntoGeneric,
}

func packGeneric(weight []float32, n, k int, bias []float32) *Packed {
	ld := Pad(n, Lanes)
	p := &Packed{K: k, N: n, B: Floats(k * ld), Bias: padBias(bias, n)}
	for o := range n {
		for i, w := range weight[o*k:][:k] {
			p.B[i*ld+o] = w
		}
	}
	return p
}

func packRowsGeneric(p *Packed, w Matrix) {
	ld := Pad(p.N, Lanes)
	for i := range p.K {
		copy(p.B[i*ld:][:ld], w.Data[i*w.LD:][:ld])
	}
}

// padBias copies a bias of n elements, or nil, to a padded one.
func padBias(bias []float32, n int) []float32 {
	b := Floats(Pad(n, Lanes))
	if bias != nil {
		copy(b, bias[:n])
	}
	return b
}

func gemmGeneric(g *Gemm) {
	ld := Pad(g.W.N, Lanes)
	for r := g.From; r < g.To; r++ {
		out := g.Out.Data[r*g.Out.LD:][:ld]
		in := g.In.Data[r*g.In.LD:][:g.W.K]
		for j := 0; j < ld; j += 8 {
			acc := dot8(in, g.W.B[j:], ld, [8]float32(g.W.Bias[j:]))
			for i := range acc {
				acc[i] = activate(acc[i], g.Act)
			}
			if g.Residual.Data != nil {
				res := g.Residual.Data[r*g.Residual.LD+j:][:8]
				for i := range acc {
					acc[i] += res[i]
				}
			}
			*(*[8]float32)(out[j:]) = acc
		}
	}
}

// dot8 adds the product of in with eight columns of b, whose rows are ld apart, to acc.
func dot8(in, b []float32, ld int, acc [8]float32) [8]float32 {
	s0, s1, s2, s3, s4, s5, s6, s7 := acc[0], acc[1], acc[2], acc[3], acc[4], acc[5], acc[6], acc[7]
	for k, a := range in {
		w := (*[8]float32)(b[k*ld:])
		s0 += a * w[0]
		s1 += a * w[1]
		s2 += a * w[2]
		s3 += a * w[3]
		s4 += a * w[4]
		s5 += a * w[5]
		s6 += a * w[6]
		s7 += a * w[7]
	}
	return [8]float32{s0, s1, s2, s3, s4, s5, s6, s7}
}

func mixGeneric(m *Mixer) {
	rows := m.tileRows()
	for from := m.From; from < m.To; from += rows {
		expand, project := m.tile(from, min(rows, m.To-from))
		gemmGeneric(&expand)
		gemmGeneric(&project)
	}
}

// tileRows returns how many rows to take at a time: as many as allowed, but all tiles but
// the last alike, and a multiple of what one tile of a matrix product has.
func (m *Mixer) tileRows() int {
	rows, most := max(m.To-m.From, 1), mixerRows(m.Expand.N)
	tiles := (rows + most - 1) / most
	return Pad((rows+tiles-1)/tiles, 14)
}

// tile returns the two products of rows [from, from+rows).
func (m *Mixer) tile(from, rows int) (expand, project Gemm) {
	ld := Pad(m.Expand.N, Lanes)
	hidden := Matrix{Data: m.Scratch[:rows*ld], Rows: rows, LD: ld}
	expand = Gemm{In: m.In.from(from, rows), Out: hidden, W: m.Expand, Act: m.Act, To: rows}
	project = Gemm{In: hidden, Out: m.Out.from(from, rows), Residual: m.Residual.from(from, rows), W: m.Project, To: rows}
	return expand, project
}

// from returns rows [row, row+rows) of m; no matrix stays no matrix.
func (m Matrix) from(row, rows int) Matrix {
	if m.Data == nil {
		return m
	}
	return Matrix{Data: m.Data[row*m.LD:], Rows: rows, LD: m.LD}
}

func depthwiseGeneric(d *Depthwise) {
	depthwiseNGeneric(&DepthwiseN{Image: d.Image, Kernel: [2]int{3, 3}, Strides: [2]int{d.Stride, d.Stride}, Dilations: [2]int{1, 1}, Pads: [2]int{1, 1},
		In: d.In, Out: d.Out, Taps: d.Taps, Bias: d.Bias, Act: d.Act, From: d.From, To: d.To})
}

func depthwiseNGeneric(d *DepthwiseN) {
	ld := d.Out.LD
	for r := d.From; r < d.To; r++ {
		n, y := r/d.HO, r%d.HO
		for x := range d.WO {
			out := d.Out.Data[(r*d.WO+x)*ld:][:ld]
			copy(out, d.Bias[:ld])
			for ky := range d.Kernel[0] {
				iy := y*d.Strides[0] + ky*d.Dilations[0] - d.Pads[0]
				if iy < 0 || iy >= d.H {
					continue
				}
				for kx := range d.Kernel[1] {
					ix := x*d.Strides[1] + kx*d.Dilations[1] - d.Pads[1]
					if ix < 0 || ix >= d.W {
						continue
					}
					in := d.In.Data[((n*d.H+iy)*d.W+ix)*d.In.LD:][:ld]
					taps := d.Taps[(ky*d.Kernel[1]+kx)*ld:][:ld]
					for c := range out {
						out[c] += in[c] * taps[c]
					}
				}
			}
			applyGeneric(out, d.Act)
		}
	}
}

func conv3x3Generic(v *Conv3x3) {
	ld := Pad(v.W.N, Lanes)
	var one [1]float32
	for r := v.From; r < v.To; r++ {
		n, y := r/v.HO, r%v.HO
		for x := range v.WO {
			out := v.Out.Data[(r*v.WO+x)*v.Out.LD:][:ld]
			copy(out, v.W.Bias)
			for t := range 9 {
				iy, ix := y*v.Stride+t/3-1, x*v.Stride+t%3-1
				if iy < 0 || iy >= v.H || ix < 0 || ix >= v.Image.W {
					continue
				}
				for c := range v.Cin {
					in := one[:]
					if v.Planar != nil {
						one[0] = v.Planar[((n*v.Cin+c)*v.H+iy)*v.Image.W+ix]
					} else {
						in = v.In.Data[((n*v.H+iy)*v.Image.W+ix)*v.In.LD+c:][:1]
					}
					w := v.W.B[(t*v.Cin+c)*ld:][:ld]
					for j := range out {
						out[j] += in[0] * w[j]
					}
				}
			}
			applyGeneric(out, v.Act)
		}
	}
}

func sumColumnsGeneric(dst []float32, in Matrix, from, to int) {
	dst = dst[from:to]
	clear(dst)
	for r := range in.Rows {
		for c, v := range in.Data[r*in.LD+from:][:to-from] {
			dst[c] += v
		}
	}
}

func scaleColumnsGeneric(x Matrix, gate []float32, from, to int) {
	for r := from; r < to; r++ {
		row := x.Data[r*x.LD:][:x.LD]
		for c, g := range gate[:x.LD] {
			row[c] *= g
		}
	}
}

func toPlanarGeneric(dst []float32, src Matrix, channels, pixels, from, to int) {
	for r := from; r < to; r++ {
		at := dst[r/pixels*channels*pixels+r%pixels:]
		for c, v := range src.Data[r*src.LD:][:channels] {
			at[c*pixels] = v
		}
	}
}

func addIntoGeneric(dst, src []float32) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] += src[i]
	}
}

func addScaledGeneric(dst, src []float32, scale float32) {
	src = src[:len(dst)]
	for i := range dst {
		dst[i] += float32(scale * src[i])
	}
}

func maxIntoGeneric(dst, src []float32) {
	src = src[:len(dst)]
	for i, v := range src {
		dst[i] = max(dst[i], v)
	}
}

func applyGeneric(x []float32, act Activation) {
	if act == Identity {
		return
	}
	for i, v := range x {
		x[i] = activate(v, act)
	}
}

func activate(x float32, act Activation) float32 {
	switch act.Function {
	case gelu:
		return exactGELU(x)
	case relu:
		if x < 0 {
			return 0
		}
		return x
	case sigmoid:
		return float32(1 / (1 + math.Exp(-float64(x))))
	case exp:
		return float32(math.Exp(float64(min(max(x, -87), 87))))
	case clamp:
		return min(max(act.Scale*x+act.Shift, act.Low), act.High)
	case gatedClamp:
		return x * min(max(act.Scale*x+act.Shift, act.Low), act.High)
	}
	return x
}

// exactGELU returns x·Φ(x), Φ being the standard normal distribution function.
func exactGELU(x float32) float32 {
	v := float64(x)
	if v < -40 { // −Inf·0 would be NaN
		return 0
	}
	return float32(0.5 * v * (1 + math.Erf(v/math.Sqrt2)))
}
