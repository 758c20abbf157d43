package kernel

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func TestSets8(t *testing.T) {
	sets := All8()
	if last := sets[len(sets)-1]; last.Name != "generic" {
		t.Errorf("the last set is %q", last.Name)
	}
	if Best8() != sets[0] {
		t.Error("the best set is not the first")
	}
	for _, s := range sets {
		if Named8(s.Name) != s {
			t.Errorf("Named8(%q) is another set", s.Name)
		}
	}
	if Named8("mmx") != nil {
		t.Error("there is a set named mmx")
	}
}

// extra8 are sets to test that this machine would not choose.
var extra8 []*Int8

// others calls f with every set but the generic one.
func others(t *testing.T, f func(t *testing.T, s *Int8)) {
	for _, s := range append(extra8, All8()...) {
		if s.Name != "generic" {
			t.Run(s.Name, func(t *testing.T) { f(t, s) })
		}
	}
}

// random8 makes operands for one test, between pages that fault when touched.
type random8 struct {
	*rand.Rand
	t testing.TB
}

func newRandom8(t testing.TB, seed uint64) random8 {
	return random8{rand.New(rand.NewPCG(seed, 8)), t}
}

func (r random8) bytes(n int) []uint8 {
	b := guarded[uint8](r.t, r.Rand, n)
	for i := range b {
		b[i] = uint8(r.Uint32())
	}
	return b
}

func (r random8) ints(n int) []int8 {
	b := make([]int8, n)
	for i := range b {
		b[i] = int8(r.Uint32())
	}
	return b
}

func (r random8) floats(n int, deviation float64) []float32 {
	f := guarded[float32](r.t, r.Rand, n)
	for i := range f {
		f[i] = float32(r.NormFloat64() * deviation)
	}
	return f
}

func (r random8) matrix8(rows, ld int) Matrix8 {
	return Matrix8{Data: r.bytes(rows * ld), Rows: rows, LD: ld}
}

func (r random8) matrix(rows, ld int) Matrix {
	return Matrix{Data: r.floats(rows*ld, 1), Rows: rows, LD: ld}
}

func (r random8) table() *[256]uint8 {
	var t [256]uint8
	for i := range t {
		t[i] = uint8(r.Uint32())
	}
	return &t
}

// gemm returns a random product; its results spread over and beyond the range of a uint8.
func (r random8) gemm(n, k, rows, mode int) (g Gemm8, weight []int8, bias []int32) {
	defer func() { g.W = generic8.Pack(weight, n, k, bias) }()
	weight = r.ints(n * k)
	limit := 128
	if r.IntN(2) == 0 {
		limit = 64
	}
	bias = make([]int32, n)
	for i := range bias {
		bias[i] = int32(r.NormFloat64() * 1e4)
	}
	g = Gemm8{In: r.matrix8(rows, Pad(k, Lanes8)), Scale: make([]float32, Pad(n, Lanes)), From: r.IntN(rows), To: rows}
	if r.IntN(4) == 0 { // patches of an image
		g.Segments = 2 + r.IntN(2)
		k = Pad(k, 4*g.Segments)
		weight = r.ints(n * k)
		g.In.LD, g.Below = 1+r.IntN(k), k/g.Segments+r.IntN(50)
		g.In.Data = r.bytes((rows-1)*g.In.LD + (g.Segments-1)*g.Below + k/g.Segments)
	}
	for i, w := range weight {
		weight[i] = int8(max(-limit, min(limit, int(w))))
	}
	deviation := 127 * 74 * math.Sqrt(float64(k))
	for i := range n {
		g.Scale[i] = float32((0.5 + r.Float64()) * 70 / deviation)
	}
	zero := uint8(r.Uint32())
	g.Low, g.High, g.Step = -float32(zero), 255-float32(zero), r.Float32()
	switch mode {
	case 0:
		g.Out = r.matrix(rows, Pad(n, Lanes))
	case 1:
		g.Out, g.Round = r.matrix(rows, Pad(n, Lanes)), true
		g.Residual = r.matrix(rows, Pad(n, Lanes))
	case 2:
		g.Out8, g.Zero, g.Floor = r.matrix8(rows, Pad(n, Lanes8)), zero, zero/2
	case 3:
		g.Out8, g.Zero, g.Table = r.matrix8(rows, Pad(n, Lanes8)), zero, r.table()
	case 4:
		g.Out8, g.Zero, g.Round = r.matrix8(rows, Pad(n, Lanes8)), uint8(r.Uint32()), true
		g.Residual8, g.Residual8Zero, g.Residual8Step = r.matrix8(rows, Pad(n, Lanes8)), uint8(r.Uint32()), r.Float32()
	}
	return g, weight, bias
}

func TestGemm8(t *testing.T) {
	others(t, func(t *testing.T, s *Int8) {
		for seed := range uint64(400) {
			r := newRandom8(t, seed)
			n, k, rows, mode := 1+r.IntN(200), 1+r.IntN(150), 1+r.IntN(40), r.IntN(5)
			g, weight, bias := r.gemm(n, k, rows, mode)
			what := fmt.Sprintf("seed %d: %d×%d by %d, rows %d to %d, mode %d, %d segments", seed, rows, g.W.K, n, g.From, g.To, mode, g.Segments)
			want := g
			want.Out.Data, want.Out8.Data = slices.Clone(g.Out.Data), slices.Clone(g.Out8.Data)
			g.W = s.Pack(weight, n, g.W.K, bias)
			if r.IntN(2) == 0 && mode == 1 { // in place
				g.Residual.Data, want.Residual.Data = g.Out.Data, want.Out.Data
			}
			if r.IntN(2) == 0 && mode == 4 {
				g.Residual8.Data, want.Residual8.Data = g.Out8.Data, want.Out8.Data
			}
			generic8.Gemm(&want)
			s.Gemm(&g)
			sameFloats(t, what, g.Out.Data, want.Out.Data)
			// Padding holds anything behind the vectors of the columns.
			for row := range g.Out8.Rows {
				from := row * g.Out8.LD
				same8(t, fmt.Sprintf("%s, row %d", what, row), g.Out8.Data[from:][:Pad(n, Lanes)], want.Out8.Data[from:][:Pad(n, Lanes)])
			}
			if t.Failed() {
				return
			}
		}
	})
}

func same8(t *testing.T, what string, got, want []uint8) {
	t.Helper()
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("%s: element %d is %d, want %d", what, i, got[i], want[i])
			return
		}
	}
}

func sameFloats(t *testing.T, what string, got, want []float32) {
	t.Helper()
	for i := range want {
		if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
			t.Errorf("%s: element %d is %v, want %v", what, i, got[i], want[i])
			return
		}
	}
}

// TestGemm8Extremes checks that sums at the limits of the operands' range are exact: the
// products that VPMADDUBSW would saturate.
func TestGemm8Extremes(t *testing.T) {
	const n, k = 33, 300
	for _, w := range []int8{-128, -65, -64, 64, 65, 127} {
		weight, bias := make([]int8, n*k), make([]int32, n)
		for i := range weight {
			weight[i] = w
		}
		for _, s := range All8() {
			g := Gemm8{In: Matrix8{Data: NewBytes(320), Rows: 1, LD: 320}, W: s.Pack(weight, n, k, bias), To: 1, Scale: make([]float32, 48), Out: Matrix{Data: Floats(48), Rows: 1, LD: 48}}
			for i := range g.In.Data {
				g.In.Data[i] = 255
			}
			for i := range n {
				g.Scale[i] = 1
			}
			s.Gemm(&g)
			for c, v := range g.Out.Data[:n] {
				if v != float32(255*k*int(w)) {
					t.Fatalf("%s: column %d of %d products 255·%d is %v", s.Name, c, k, w, v)
				}
			}
		}
	}
}

func TestDepthwise8(t *testing.T) {
	others(t, func(t *testing.T, s *Int8) {
		for seed := range uint64(200) {
			r := newRandom8(t, seed)
			c, stride := 1+r.IntN(140), 1+r.IntN(2)
			img := Image{N: 1 + r.IntN(2), H: 1 + r.IntN(7), W: 1 + r.IntN(7), Stride: stride}
			img.HO, img.WO = (img.H-1)/stride+1, (img.W-1)/stride+1
			ld := Pad(c, Lanes8)
			weight, bias := r.ints(9*c), make([]int32, c)
			for i := range bias {
				bias[i] = int32(r.NormFloat64() * 1e4)
			}
			d := Depthwise8{Image: img, In: r.matrix8(img.N*img.H*img.W, ld), Out: r.matrix8(img.N*img.HO*img.WO, ld), Border: r.bytes(img.W * ld),
				Scale: r.floats(ld, 0.002), Zero: uint8(r.Uint32()), From: r.IntN(img.HO), To: img.N * img.HO}
			for i := range d.Border {
				d.Border[i] = 77
			}
			if r.IntN(2) == 0 {
				d.Table = r.table()
			} else {
				d.Floor = d.Zero
			}
			want := d
			want.Out.Data = slices.Clone(d.Out.Data)
			want.W, d.W = generic8.PackTaps(weight, c, bias), s.PackTaps(weight, c, bias)
			generic8.Depthwise(&want)
			s.Depthwise(&d)
			same8(t, fmt.Sprintf("seed %d: %d channels, %+v", seed, c, img), d.Out.Data, want.Out.Data)
			if t.Failed() {
				return
			}
		}
	})
}

func TestElementwise8(t *testing.T) {
	others(t, func(t *testing.T, s *Int8) {
		for seed := range uint64(200) {
			r := newRandom8(t, seed)
			c, rows := 1+r.IntN(150), 1+r.IntN(9)
			ld8, ld, from := Pad(c, Lanes8), Pad(c, Lanes), r.IntN(rows)
			what := fmt.Sprintf("seed %d: rows %d to %d of %d columns", seed, from, rows, c)
			zero, zero2 := uint8(r.Uint32()), uint8(r.Uint32())

			x, got8 := r.matrix(rows, ld), r.matrix8(rows, ld8)
			x.Data[r.IntN(len(x.Data))] = float32(math.NaN())
			x.Data[r.IntN(len(x.Data))] = float32(math.Inf(1))
			x.Data[r.IntN(len(x.Data))] = float32(math.Inf(-1))
			x.Data[r.IntN(len(x.Data))] = 3e38
			want8 := got8
			want8.Data = slices.Clone(got8.Data)
			q := Quantization8{Inverse: 80 * r.Float32(), Zero: zero}
			s.Quantize(got8, x, q, from, rows)
			generic8.Quantize(want8, x, q, from, rows)
			same8(t, "Quantize, "+what, got8.Data, want8.Data)

			gotF, wantF := r.matrix(rows, ld), Matrix{Data: make([]float32, rows*ld), LD: ld}
			copy(wantF.Data, gotF.Data)
			s.Dequantize(gotF, got8, c, 0.01, zero, from, rows)
			generic8.Dequantize(wantF, got8, c, 0.01, zero, from, rows)
			sameFloats(t, "Dequantize, "+what, gotF.Data, wantF.Data)

			table := r.table()
			src := r.bytes(1 + r.IntN(300))
			got, want := r.bytes(len(src)), make([]uint8, len(src))
			s.Lookup(got, src, table)
			generic8.Lookup(want, src, table)
			same8(t, "Lookup, "+what, got, want)

			sum := Sum8{Out: got, A: src, B: r.bytes(len(src)), AZero: zero, BZero: zero2, AStep: r.Float32(), BStep: r.Float32(), Zero: uint8(r.Uint32())}
			sum2 := sum
			sum2.Out = want
			s.Sum(&sum)
			generic8.Sum(&sum2)
			same8(t, "Sum, "+what, got, want)

			gate, unit := r.floats(ld8, 80), r.Float32()/50
			for i, g := range gate {
				gate[i] = min(max(float32(int32(g)), -255), 255)
			}
			s.Scale(got8, got8, gate, unit, zero, zero2, from, rows)
			generic8.Scale(want8, want8, gate, unit, zero, zero2, from, rows)
			same8(t, "Scale, "+what, got8.Data, want8.Data)

			total, total2 := make([]int32, ld8), make([]int32, ld8)
			s.SumColumns(total, got8)
			generic8.SumColumns(total2, got8)
			if !slices.Equal(total, total2) {
				t.Errorf("SumColumns, %s: %v, want %v", what, total, total2)
			}
			if t.Failed() {
				return
			}
		}
	})
}

// TestMixer8 checks that a mixer has the bits of the kernels that it consists of, however
// its rows are divided.
func TestMixer8(t *testing.T) {
	for _, s := range All8() {
		for seed := range uint64(40) {
			r := newRandom8(t, seed)
			k, hidden, n, rows := 1+r.IntN(90), 1+r.IntN(90), 1+r.IntN(90), 200+r.IntN(60)
			expand, w, b := r.gemm(hidden, k, rows, 3)
			project, w2, b2 := r.gemm(n, hidden, rows, r.IntN(5))
			if expand.Segments+project.Segments > 0 {
				continue
			}
			expand.W, project.W = s.Pack(w, hidden, k, b), s.Pack(w2, n, hidden, b2)
			x := r.matrix(rows, Pad(k, Lanes))
			m := Mixer8{Float: x, Quantize: Quantization8{50, 100}, Expand: expand, Project: project, Scratch: Floats(Mixer8Scratch(k, hidden, Identity))}
			m.Project.Out.Data, m.Project.Out8.Data = slices.Clone(project.Out.Data), slices.Clone(project.Out8.Data)
			for from := 0; from < rows; {
				to := min(from+1+r.IntN(100), rows)
				m.From, m.To = from, to
				s.Mix(&m)
				from = to
			}
			s.Quantize(expand.In, x, m.Quantize, 0, rows)
			expand.From, project.From = 0, 0
			project.In = expand.Out8
			s.Gemm(&expand)
			s.Gemm(&project)
			sameFloats(t, s.Name, m.Project.Out.Data, project.Out.Data)
			for row := range project.Out8.Rows {
				same8(t, s.Name, m.Project.Out8.Data[row*project.Out8.LD:][:n], project.Out8.Data[row*project.Out8.LD:][:n])
			}
		}
	}
}

func BenchmarkGemm8(b *testing.B) {
	for _, s := range All8() {
		for _, c := range []struct{ rows, k, n int }{{3136, 48, 96}, {3136, 96, 48}, {784, 96, 192}, {784, 192, 96}, {196, 192, 384}, {196, 384, 192}, {49, 384, 768}, {49, 768, 384}, {3136, 80, 160}, {784, 64, 128}} {
			for mode, what := range []string{"float", "residual", "bytes", "table", "sum"} {
				if mode != 1 && mode != 3 {
					continue
				}
				b.Run(fmt.Sprintf("%s/%dx%dx%d/%s", s.Name, c.rows, c.k, c.n, what), func(b *testing.B) {
					r := newRandom8(b, 1)
					g, w, bias := r.gemm(c.n, c.k, c.rows, mode)
					g.W = s.Pack(w, c.n, g.W.K, bias)
					g.From = 0
					for b.Loop() {
						s.Gemm(&g)
					}
					b.ReportMetric(float64(b.N)*2*float64(c.rows*c.k*c.n)/b.Elapsed().Seconds()/1e9, "GOP/s")
				})
			}
		}
	}
}
