package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// Every set is compared with the plain one on random problems, in memory where a step too
// far faults. For the plain set itself this tests that the tests are right.

// unset marks memory that a kernel has no business to write.
var unset = math.Float32frombits(0x7fc0abcd)

// cases is how many random problems of a kind are tried.
const cases = 150

// forAll runs a test for each set, with reproducible randomness.
func forAll(t *testing.T, f func(t *testing.T, s *Float32, r *rand.Rand)) {
	for _, s := range All() {
		t.Run(s.Name, func(t *testing.T) {
			for i := range cases {
				seed := uint64(i)
				t.Run(fmt.Sprint(i), func(t *testing.T) { f(t, s, rand.New(rand.NewPCG(seed, 1))) })
			}
		})
	}
}

func normal(r *rand.Rand, v []float32, deviation float64) []float32 {
	for i := range v {
		v[i] = float32(r.NormFloat64() * deviation)
	}
	return v
}

// matrix returns a random activation in guarded memory, its padding zero, with rows that
// are sometimes farther apart than they need to be.
func matrix(t testing.TB, r *rand.Rand, rows, cols int) Matrix {
	m := unwritten(t, r, rows, cols)
	for i := range m.Data {
		m.Data[i] = 0
		if i%m.LD < cols {
			m.Data[i] = float32(r.NormFloat64())
		}
	}
	return m
}

// unwritten returns a matrix in guarded memory that is marked as unset.
func unwritten(t testing.TB, r *rand.Rand, rows, cols int) Matrix {
	ld := Pad(cols, Lanes)
	m := Matrix{Rows: rows, LD: ld}
	if r.IntN(3) == 0 {
		m.LD += Lanes * r.IntN(3)
	}
	m.Data = guarded[float32](t, r, max(0, (rows-1)*m.LD+ld))
	for i := range m.Data {
		m.Data[i] = unset
	}
	return m
}

// clone copies a matrix to ordinary memory.
func (m Matrix) clone() Matrix {
	m.Data = slices.Clone(m.Data)
	return m
}

// packed packs a random weight for s and for the plain set.
func packed(t testing.TB, r *rand.Rand, s *Float32, n, k int) (p, plain *Packed) {
	w := normal(r, guarded[float32](t, r, n*k), 1/math.Sqrt(float64(k)))
	var bias []float32
	if r.IntN(4) > 0 {
		bias = normal(r, guarded[float32](t, r, n), 1)
	}
	p = s.Pack(w, n, k, bias)
	b := guarded[float32](t, r, len(p.B))
	copy(b, p.B)
	c := guarded[float32](t, r, len(p.Bias))
	copy(c, p.Bias)
	return &Packed{K: k, N: n, B: b, Bias: c}, generic.Pack(w, n, k, bias)
}

func randomActivation(r *rand.Rand) Activation {
	return []Activation{Identity, GELU, ReLU, Sigmoid, Clamp(1, 0, -0.5, 0.75), Clamp(0.2, 0.5, 0, 1), GatedClamp(1./6, 0.5, 0, 1)}[r.IntN(7)]
}

// same compares an output with that of the plain set: results may differ by rounding, what
// is unset in one must be in the other, and padding must be zero.
func same(t *testing.T, got, want Matrix, cols int, act Activation) {
	t.Helper()
	for i, w := range want.Data {
		g := got.Data[i]
		switch {
		case math.Float32bits(w) == math.Float32bits(unset):
			if math.Float32bits(g) != math.Float32bits(unset) {
				t.Fatalf("element %d of row %d was written", i%want.LD, i/want.LD)
			}
		case i%want.LD >= cols && activate(0, act) == 0 && g != 0:
			t.Fatalf("padding column %d of row %d is %v", i%want.LD, i/want.LD, g)
		case !(math.Abs(float64(g-w)) <= 2e-5*max(1, math.Abs(float64(w)))):
			t.Fatalf("element %d of row %d is %v, expected %v", i%want.LD, i/want.LD, g, w)
		}
	}
}

// part returns a random range of rows.
func part(r *rand.Rand, rows int) (from, to int) {
	from = r.IntN(rows + 1)
	if r.IntN(2) == 0 {
		from = 0
	}
	to = from + r.IntN(rows-from+1)
	if r.IntN(2) == 0 {
		to = rows
	}
	return from, to
}

// size returns a random number of rows, channels and the like; small ones are frequent.
func size(r *rand.Rand, most int) int { return 1 + r.IntN(1+r.IntN(most)) }

func TestGemm(t *testing.T) {
	forAll(t, func(t *testing.T, s *Float32, r *rand.Rand) {
		rows, n, k := size(r, 120), size(r, 140), size(r, 90)
		p, plain := packed(t, r, s, n, k)
		g := Gemm{In: matrix(t, r, rows, k), Out: unwritten(t, r, rows, n), W: p, Act: randomActivation(r)}
		g.From, g.To = part(r, rows)
		want := g
		want.W = plain
		switch r.IntN(3) {
		case 0:
			g.Residual = matrix(t, r, rows, n)
			want.Residual = g.Residual
			want.Out = g.Out.clone()
		case 1: // in place
			g.Out = matrix(t, r, rows, n)
			want.Out = g.Out.clone()
			g.Residual, want.Residual = g.Out, want.Out
		default:
			want.Out = g.Out.clone()
		}
		s.Gemm(&g)
		generic.Gemm(&want)
		same(t, g.Out, want.Out, n, g.Act)
	})
}

// TestGemmBits checks that a row's result does not depend on the rows computed with it.
func TestGemmBits(t *testing.T) {
	forAll(t, func(t *testing.T, s *Float32, r *rand.Rand) {
		rows, n, k := size(r, 100), size(r, 140), size(r, 90)
		p, _ := packed(t, r, s, n, k)
		g := Gemm{In: matrix(t, r, rows, k), Out: unwritten(t, r, rows, n), W: p, Act: randomActivation(r), To: rows}
		g.Residual = matrix(t, r, rows, n)
		s.Gemm(&g)
		whole := g.Out.clone()
		for g.From = 0; g.From < rows; g.From = g.To {
			g.To = min(g.From+1+r.IntN(20), rows)
			s.Gemm(&g)
		}
		bitwise(t, g.Out.Data, whole.Data)
	})
}

func bitwise(t *testing.T, got, want []float32) {
	t.Helper()
	for i, w := range want {
		if math.Float32bits(got[i]) != math.Float32bits(w) {
			t.Fatalf("element %d is %v, expected the bits of %v", i, got[i], w)
		}
	}
}

// TestMixer checks that a mixer has the bits of its two products, also in place and in
// parts.
func TestMixer(t *testing.T) {
	forAll(t, func(t *testing.T, s *Float32, r *rand.Rand) {
		rows, k, hidden, n := size(r, 150), size(r, 70), size(r, 140), size(r, 70)
		if r.IntN(2) == 0 {
			n = k
		}
		expand, _ := packed(t, r, s, hidden, k)
		project, _ := packed(t, r, s, n, hidden)
		m := Mixer{In: matrix(t, r, rows, k), Out: unwritten(t, r, rows, n), Expand: expand, Project: project, Act: randomActivation(r)}
		if r.IntN(2) == 0 {
			m.Residual = matrix(t, r, rows, n)
		}
		h := Gemm{In: m.In.clone(), Out: unwritten(t, r, rows, hidden), W: expand, Act: m.Act, To: rows}
		s.Gemm(&h)
		want := Gemm{In: h.Out, Out: m.Out.clone(), W: project, To: rows}
		if m.Residual.Data != nil {
			want.Residual = m.Residual.clone()
		}
		if n == k && r.IntN(2) == 0 {
			m.Out, m.Residual = m.In, m.In
			want.Out, want.Residual = m.In.clone(), m.In.clone()
		}
		s.Gemm(&want)
		for m.To < rows {
			m.From, m.To = m.To, min(m.To+1+r.IntN(rows), rows)
			m.Scratch = guarded[float32](t, r, MixerScratch(hidden))
			s.Mixer(&m)
		}
		bitwise(t, m.Out.Data, want.Out.Data)
	})
}

// TestMixerTiles goes beyond what a mixer takes at a time.
func TestMixerTiles(t *testing.T) {
	for _, s := range All() {
		t.Run(s.Name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 2))
			rows, k, hidden := 2*mixerRows(20)+5, 10, 20
			expand, plainExpand := packed(t, r, s, hidden, k)
			project, plainProject := packed(t, r, s, k, hidden)
			m := Mixer{In: matrix(t, r, rows, k), Out: unwritten(t, r, rows, k), Expand: expand, Project: project, Act: GELU, To: rows, Scratch: guarded[float32](t, r, MixerScratch(hidden))}
			want := m
			want.Out, want.Expand, want.Project, want.Scratch = m.Out.clone(), plainExpand, plainProject, make([]float32, MixerScratch(hidden))
			s.Mixer(&m)
			generic.Mixer(&want)
			same(t, m.Out, want.Out, k, GELU)
		})
	}
}

// randomImage returns the geometry of a random 3×3 convolution.
func randomImage(r *rand.Rand, stride int) Image {
	i := Image{N: 1 + r.IntN(3), H: size(r, 16), W: size(r, 24), Stride: stride}
	i.HO, i.WO = (i.H-1)/stride+1, (i.W-1)/stride+1
	return i
}

func TestDepthwise(t *testing.T) {
	forAll(t, func(t *testing.T, s *Float32, r *rand.Rand) {
		img, channels := randomImage(r, 1+r.IntN(2)), size(r, 70)
		ld := Pad(channels, Lanes)
		taps, bias := guarded[float32](t, r, 9*ld), guarded[float32](t, r, ld)
		for i := range taps {
			if i%ld < channels {
				taps[i], bias[i%ld] = float32(r.NormFloat64()), float32(r.NormFloat64())
			}
		}
		d := Depthwise{Image: img, In: matrix(t, r, img.N*img.H*img.W, channels), Taps: taps, Bias: bias, Act: randomActivation(r)}
		d.Out = Matrix{Data: guarded[float32](t, r, img.N*img.HO*img.WO*ld), Rows: img.N * img.HO * img.WO, LD: ld}
		for i := range d.Out.Data {
			d.Out.Data[i] = unset
		}
		d.From, d.To = part(r, img.N*img.HO)
		want := d
		want.Out = d.Out.clone()
		s.Depthwise(&d)
		generic.Depthwise(&want)
		same(t, d.Out, want.Out, channels, d.Act)
		// The same rows in parts.
		whole := d.Out.clone()
		for to := d.To; d.From < to; d.From = d.To {
			d.To = min(d.From+1+r.IntN(3), to)
			s.Depthwise(&d)
		}
		bitwise(t, d.Out.Data, whole.Data)
	})
}

func TestConv3x3(t *testing.T) {
	forAll(t, func(t *testing.T, s *Float32, r *rand.Rand) {
		img, cin, cout := randomImage(r, 1+r.IntN(2)), size(r, 30), size(r, 70)
		p, plain := packed(t, r, s, cout, 9*cin)
		c := Conv3x3{Image: img, Cin: cin, Out: unwritten(t, r, img.N*img.HO*img.WO, cout), W: p, Act: randomActivation(r)}
		if r.IntN(2) == 0 {
			c.Planar = normal(r, guarded[float32](t, r, img.N*cin*img.H*img.W), 1)
		} else {
			c.In = matrix(t, r, img.N*img.H*img.W, cin)
		}
		c.From, c.To = part(r, img.N*img.HO)
		want := c
		want.Out, want.W = c.Out.clone(), plain
		s.Conv3x3(&c)
		generic.Conv3x3(&want)
		same(t, c.Out, want.Out, cout, c.Act)
		whole := c.Out.clone()
		for to := c.To; c.From < to; c.From = c.To {
			c.To = min(c.From+1+r.IntN(3), to)
			s.Conv3x3(&c)
		}
		bitwise(t, c.Out.Data, whole.Data)
	})
}

// TestWinograd compares with sums over patches.
func TestWinograd(t *testing.T) {
	forAll(t, func(t *testing.T, s *Float32, r *rand.Rand) {
		img, cin, cout := randomImage(r, 1), size(r, 70), size(r, 70)
		weight := normal(r, make([]float32, cout*9*cin), 1/math.Sqrt(9*float64(cin)))
		w := Winograd{Image: img, In: matrix(t, r, img.N*img.H*img.W, cin), Out: unwritten(t, r, img.N*img.H*img.W, cout), Act: randomActivation(r)}
		w.Bias = guarded[float32](t, r, Pad(cout, Lanes))
		clear(w.Bias)
		normal(r, w.Bias[:cout], 1)
		for _, v := range WinogradWeights(weight, cout, cin) {
			w.W = append(w.W, s.Pack(v, cout, cin, nil))
		}
		w.From, w.To = part(r, WinogradTiles(img))
		w.Scratch = normal(r, guarded[float32](t, r, WinogradScratch(cin, cout)), 1)
		patches := make([]float32, len(weight)) // rows, columns, channels
		for i, v := range weight {
			patches[(i/(9*cin)*9+i%9)*cin+i/9%cin] = v
		}
		direct := Conv3x3{Image: img, Cin: cin, In: w.In, Out: Matrix{Data: make([]float32, len(w.Out.Data)), Rows: w.Out.Rows, LD: w.Out.LD},
			W: generic.Pack(patches, cout, 9*cin, w.Bias), Act: w.Act, To: img.N * img.H}
		generic.Conv3x3(&direct)
		want := w.Out.clone()
		for tile := w.From; tile < w.To; tile++ {
			n, top, left := w.place(tile)
			for y := top; y < min(top+winogradStep, img.H); y++ {
				for x := left; x < min(left+winogradStep, img.W); x++ {
					at := ((n*img.H+y)*img.W + x) * w.Out.LD
					copy(want.Data[at:][:Pad(cout, Lanes)], direct.Out.Data[at:])
				}
			}
		}
		s.Winograd(&w)
		same(t, w.Out, want, cout, w.Act)
		whole := w.Out.clone()
		for to := w.To; w.From < to; w.From = w.To {
			w.To = min(w.From+1+r.IntN(20), to)
			s.Winograd(&w)
		}
		bitwise(t, w.Out.Data, whole.Data)
	})
}

// TestWinogradError compares the errors of both ways to compute a convolution with its value in
// float64: Winograd's has the smaller ones.
func TestWinogradError(t *testing.T) {
	const channels, size = 128, 8
	r := rand.New(rand.NewPCG(1, 5))
	weight := normal(r, make([]float32, channels*9*channels), 1)
	in := values(r, size*size, channels)
	img := Image{N: 1, H: size, W: size, HO: size, WO: size, Stride: 1}
	patches := make([]float32, len(weight))
	for i, v := range weight {
		patches[(i/(9*channels)*9+i%9)*channels+i/9%channels] = v
	}
	exact := make([]float64, size*size*channels)
	for i := range exact {
		o, y, x := i%channels, i/channels/size, i/channels%size
		for tap := range 9 {
			iy, ix := y+tap/3-1, x+tap%3-1
			if iy < 0 || iy >= size || ix < 0 || ix >= size {
				continue
			}
			for c := range channels {
				exact[i] += float64(in.Data[(iy*size+ix)*in.LD+c]) * float64(weight[(o*channels+c)*9+tap])
			}
		}
	}
	for _, s := range All() {
		deviation := func(out Matrix) float64 {
			sum := 0.0
			for i, v := range exact {
				sum += (float64(out.Data[i]) - v) * (float64(out.Data[i]) - v)
			}
			return math.Sqrt(sum / float64(len(exact)))
		}
		direct := Conv3x3{Image: img, Cin: channels, In: in, Out: values(r, size*size, channels), W: s.Pack(patches, channels, 9*channels, nil), To: size}
		s.Conv3x3(&direct)
		w := Winograd{Image: img, In: in, Out: values(r, size*size, channels), Bias: Floats(channels), To: WinogradTiles(img), Scratch: Floats(WinogradScratch(channels, channels))}
		for _, v := range WinogradWeights(weight, channels, channels) {
			w.W = append(w.W, s.Pack(v, channels, channels, nil))
		}
		s.Winograd(&w)
		if got, want := deviation(w.Out), deviation(direct.Out); got > want || got == 0 {
			t.Errorf("%s: error %.3g, that of sums over patches %.3g", s.Name, got, want)
		}
	}
}

func TestToPlanar(t *testing.T) {
	forAll(t, func(t *testing.T, s *Float32, r *rand.Rand) {
		images, pixels, channels := size(r, 3), size(r, 600), size(r, 50)
		x := matrix(t, r, images*pixels, channels)
		dst := guarded[float32](t, r, images*pixels*channels)
		for i := range dst {
			dst[i] = unset
		}
		from, to := part(r, images*pixels)
		s.ToPlanar(dst, x, channels, pixels, from, to)
		for i, v := range dst {
			n, c, p := i/(pixels*channels), i/pixels%channels, i%pixels
			want := unset
			if row := n*pixels + p; row >= from && row < to {
				want = x.Data[row*x.LD+c]
			}
			if math.Float32bits(v) != math.Float32bits(want) {
				t.Fatalf("channel %d of pixel %d of image %d is %v, expected %v", c, p, n, v, want)
			}
		}
	})
}

// TestOddGeometry checks outputs of a size that no padding of 1 makes.
func TestOddGeometry(t *testing.T) {
	for _, s := range All() {
		t.Run(s.Name, func(t *testing.T) {
			r := rand.New(rand.NewPCG(1, 3))
			img := Image{N: 1, H: 5, W: 6, HO: 2, WO: 5, Stride: 2}
			p, plain := packed(t, r, s, 40, 9*3)
			c := Conv3x3{Image: img, Cin: 3, In: matrix(t, r, 30, 3), Out: unwritten(t, r, 10, 40), W: p, To: 2}
			want := c
			want.Out, want.W = c.Out.clone(), plain
			s.Conv3x3(&c)
			generic.Conv3x3(&want)
			same(t, c.Out, want.Out, 40, Identity)
		})
	}
}

func TestColumns(t *testing.T) {
	forAll(t, func(t *testing.T, s *Float32, r *rand.Rand) {
		rows, cols := size(r, 60), size(r, 100)
		x := matrix(t, r, rows, cols)
		ld := Pad(cols, Lanes)
		if r.IntN(2) == 0 { // all of LD
			x.Data = normal(r, guarded[float32](t, r, rows*x.LD), 1)
			ld = x.LD
		}
		from := r.IntN(ld/Lanes) * Lanes
		to := from + Lanes*(1+r.IntN((ld-from)/Lanes))
		sum := guarded[float32](t, r, ld)
		for i := range sum {
			sum[i] = unset
		}
		want := slices.Clone(sum)
		s.SumColumns(sum, x, from, to)
		generic.SumColumns(want, x, from, to)
		same(t, Matrix{Data: sum, LD: ld}, Matrix{Data: want, LD: ld}, ld, Identity)
		for c := from; c < to; c += Lanes { // one by one
			part := slices.Clone(sum)
			s.SumColumns(part, x, c, c+Lanes)
			bitwise(t, part, sum)
		}
		if ld != x.LD {
			return
		}
		gate := normal(r, guarded[float32](t, r, ld), 1)
		scaled := x.clone()
		first, last := part(r, rows)
		s.ScaleColumns(x, gate, first, last)
		generic.ScaleColumns(scaled, gate, first, last)
		bitwise(t, x.Data, scaled.Data)
	})
}

func TestSumOfNothing(t *testing.T) {
	for _, s := range All() {
		sum := []float32{1, 2, 3}
		s.SumColumns(sum, Matrix{LD: 16}, 0, 3)
		if !slices.Equal(sum, make([]float32, 3)) {
			t.Errorf("%s: sum of no rows is %v", s.Name, sum)
		}
	}
}

func TestAddInto(t *testing.T) {
	forAll(t, func(t *testing.T, s *Float32, r *rand.Rand) {
		n := r.IntN(100)
		x, y := normal(r, guarded[float32](t, r, n), 1), normal(r, guarded[float32](t, r, n+r.IntN(3)), 1)
		want := slices.Clone(x)
		s.AddInto(x, y)
		generic.AddInto(want, y)
		bitwise(t, x, want)
	})
}

// TestPackRows checks that both ways of packing give the same.
func TestPackRows(t *testing.T) {
	forAll(t, func(t *testing.T, s *Float32, r *rand.Rand) {
		n, k := size(r, 140), size(r, 60)
		rows := matrix(t, r, k, n)
		columns := make([]float32, n*k)
		for o := range n {
			for i := range k {
				columns[o*k+i] = rows.Data[i*rows.LD+o]
			}
		}
		want := s.Pack(columns, n, k, nil)
		got := &Packed{K: k, N: n, B: guarded[float32](t, r, k*Pad(n, Lanes))}
		s.PackRows(got, rows)
		bitwise(t, got.B, want.B)
	})
}

func TestDepthwiseN(t *testing.T) {
	forAll(t, func(t *testing.T, s *Float32, r *rand.Rand) {
		channels := size(r, 150)
		d := DepthwiseN{Kernel: [2]int{1 + r.IntN(7), 1 + r.IntN(7)}, Strides: [2]int{1 + r.IntN(3), 1 + r.IntN(3)}, Dilations: [2]int{1 + r.IntN(3), 1 + r.IntN(3)}, Pads: [2]int{r.IntN(9), r.IntN(9)}, Act: randomActivation(r)}
		d.Image = Image{N: 1 + r.IntN(2), H: size(r, 12), W: size(r, 16)}
		after := [2]int{r.IntN(9), r.IntN(9)}
		h, w := (d.Kernel[0]-1)*d.Dilations[0]+1, (d.Kernel[1]-1)*d.Dilations[1]+1
		d.HO, d.WO = (d.H+d.Pads[0]+after[0]-h)/d.Strides[0]+1, (d.W+d.Pads[1]+after[1]-w)/d.Strides[1]+1
		if d.H+d.Pads[0]+after[0] < h || d.W+d.Pads[1]+after[1] < w {
			return
		}
		ld := Pad(channels, Lanes)
		d.In = matrix(t, r, d.N*d.H*d.W, channels)
		d.Taps, d.Bias = guarded[float32](t, r, d.Kernel[0]*d.Kernel[1]*ld), guarded[float32](t, r, ld)
		for i := range d.Taps {
			if i%ld < channels {
				d.Taps[i], d.Bias[i%ld] = float32(r.NormFloat64()), float32(r.NormFloat64())
			}
		}
		d.Out = Matrix{Data: guarded[float32](t, r, d.N*d.HO*d.WO*ld), Rows: d.N * d.HO * d.WO, LD: ld}
		for i := range d.Out.Data {
			d.Out.Data[i] = unset
		}
		d.From, d.To = part(r, d.N*d.HO)
		want := d
		want.Out = d.Out.clone()
		s.DepthwiseN(&d)
		generic.DepthwiseN(&want)
		same(t, d.Out, want.Out, channels, d.Act)
	})
}

func TestAddScaled(t *testing.T) {
	forAll(t, func(t *testing.T, s *Float32, r *rand.Rand) {
		n, scale := r.IntN(100), float32(r.NormFloat64())
		x, y := normal(r, guarded[float32](t, r, n), 1), normal(r, guarded[float32](t, r, n+r.IntN(3)), 1)
		want := slices.Clone(x)
		s.AddScaled(x, y, scale)
		generic.AddScaled(want, y, scale)
		bitwise(t, x, want)
	})
}

func TestMaxInto(t *testing.T) {
	forAll(t, func(t *testing.T, s *Float32, r *rand.Rand) {
		n := r.IntN(100)
		x, y := normal(r, guarded[float32](t, r, n), 1), normal(r, guarded[float32](t, r, n+r.IntN(3)), 1)
		for i := range x {
			switch r.IntN(8) {
			case 0:
				x[i] = float32(math.NaN())
			case 1:
				y[i] = float32(math.NaN())
			case 2:
				x[i] = float32(math.Inf(-1))
			}
		}
		want := slices.Clone(x)
		s.MaxInto(x, y)
		generic.MaxInto(want, y)
		for i, w := range want {
			if x[i] != w && (x[i] == x[i] || w == w) {
				t.Fatalf("element %d is %v, want %v", i, x[i], w)
			}
		}
	})
}

// TestApply checks that an element's result depends on nothing but itself.
func TestApply(t *testing.T) {
	forAll(t, func(t *testing.T, s *Float32, r *rand.Rand) {
		x := normal(r, guarded[float32](t, r, r.IntN(100)), 3)
		act := randomActivation(r)
		want := slices.Clone(x)
		generic.Apply(want, act)
		one := slices.Clone(x)
		s.Apply(x, act)
		m := Matrix{Data: x, LD: 1 << 20}
		same(t, m, Matrix{Data: want, LD: m.LD}, m.LD, act)
		for i := range one {
			s.Apply(one[i:i+1], act)
		}
		bitwise(t, x, one)
	})
}

// everywhere calls f with arrays that together cover all float32 densely, and the special
// values.
func everywhere(f func(x []float32)) {
	x := []float32{0, float32(math.Copysign(0, -1)), float32(math.Inf(1)), float32(math.Inf(-1)), math.MaxFloat32, -math.MaxFloat32,
		math.SmallestNonzeroFloat32, -math.SmallestNonzeroFloat32, float32(math.NaN()), math.Float32frombits(0xffc00001)}
	f(x)
	x = make([]float32, 0, 4096)
	for b := uint64(0); b < 1<<32; b += 1999 {
		if v := math.Float32frombits(uint32(b)); v == v {
			x = append(x, v)
		}
		if len(x) == cap(x) {
			f(x)
			x = x[:0]
		}
	}
	for v := -12.0; v < 12; v += 1.0 / 8192 {
		x = append(x, float32(v))
		if len(x) == cap(x) {
			f(x)
			x = x[:0]
		}
	}
	f(x)
}

// TestGELUError checks GELU against float64 over the whole range: the error is at most
// 1.5e-7, relative to |x| where that is greater than 1.
func TestGELUError(t *testing.T) {
	testError(t, GELU, 1.5e-7, func(x float64) float64 {
		if math.IsInf(x, -1) {
			return 0
		}
		return x * 0.5 * math.Erfc(-x/math.Sqrt2)
	})
}

// TestExpError checks Exp, and that NaN gives NaN.
func TestExpError(t *testing.T) {
	for _, set := range All() {
		var x []float32
		for v := float32(-90); v <= 90; v += 0.00037 {
			x = append(x, v)
		}
		y := append(slices.Clone(x), float32(math.Inf(-1)), float32(math.Inf(1)), float32(math.NaN()))
		x = slices.Clone(y)
		set.Apply(y, Exp)
		for i, v := range x {
			want := math.Exp(float64(min(max(v, -87), 87)))
			if e := math.Abs(float64(y[i])-want) / want; !(e <= 4e-7) && v == v {
				t.Fatalf("%s: e^%v is %v, want %v", set.Name, v, y[i], want)
			}
		}
		if v := y[len(y)-1]; v == v {
			t.Errorf("%s: e^NaN is %v", set.Name, v)
		}
	}
}

// TestSigmoidError checks Sigmoid against float64 over the whole range.
func TestSigmoidError(t *testing.T) {
	testError(t, Sigmoid, 1.5e-7, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) })
}

func TestReLUError(t *testing.T) {
	testError(t, ReLU, 0, func(x float64) float64 {
		if x < 0 {
			return 0
		}
		return x
	})
}

func TestClampError(t *testing.T) {
	testError(t, Clamp(1, 0, -1, 6), 0, func(x float64) float64 { return min(max(x, -1), 6) })
	testError(t, Clamp(1, 0, float32(math.Inf(-1)), 6), 0, func(x float64) float64 { return min(x, 6) })
}

func TestHardSwishError(t *testing.T) {
	testError(t, GatedClamp(1./6, 0.5, 0, 1), 1.5e-7, func(x float64) float64 {
		// In float32 1/6 is not 1/6, but the product is still that of a number near it.
		return x * min(max(x*float64(float32(1./6))+0.5, 0), 1)
	})
}

func testError(t *testing.T, act Activation, most float64, f func(float64) float64) {
	for _, s := range All() {
		if s == &generic && testing.Short() {
			continue
		}
		worst, where := 0.0, float32(0)
		everywhere(func(x []float32) {
			y := slices.Clone(x)
			s.Apply(y, act)
			for i, v := range x {
				want := f(float64(v))
				if float64(y[i]) == want || want != want && y[i] != y[i] {
					continue
				}
				e := math.Abs(float64(y[i])-want) / max(1, math.Abs(float64(v)))
				if e > worst || e != e {
					worst, where = e, v
				}
			}
		})
		t.Logf("%s: largest error %.3g, at %v", s.Name, worst, where)
		if !(worst <= most) {
			t.Errorf("%s: error %.3g at %v, expected at most %.3g", s.Name, worst, where, most)
		}
	}
}

// TestShortBuffers checks that a buffer that is too short costs a panic, which the engine
// turns into an error, and not memory.
func TestShortBuffers(t *testing.T) {
	for _, s := range All() {
		r := rand.New(rand.NewPCG(1, 4))
		p, _ := packed(t, r, s, 40, 30)
		in, out := matrix(t, r, 20, 30), unwritten(t, r, 20, 40)
		short := func(m Matrix) Matrix {
			m.Data = m.Data[: len(m.Data)-17 : len(m.Data)-17]
			return m
		}
		for _, g := range []Gemm{
			{In: short(in), Out: out, W: p, To: 20},
			{In: in, Out: short(out), W: p, To: 20},
			{In: in, Out: out, Residual: short(out), W: p, To: 20},
			{In: in, Out: out, W: &Packed{K: 30, N: 40, B: p.B[: len(p.B)-32 : len(p.B)-32], Bias: p.Bias}, To: 20},
		} {
			func() {
				defer func() {
					if recover() == nil {
						t.Errorf("%s: no panic", s.Name)
					}
				}()
				s.Gemm(&g)
			}()
		}
	}
}
