package kernel

import (
	"fmt"
	"math/rand/v2"
	"testing"
	"time"
)

// Benchmarks of the float32 kernels with the shapes of RepViT-M0.9 at 224×224. They report
// GFLOP/s, counting two operations for each multiply-add, and the share of the machine's
// peak, which is measured at the same time because clocks change.

// report adds the metrics of a benchmark of the given number of operations.
func report(b *testing.B, s *Float32, flops int) {
	rate := float64(flops) * float64(b.N) / b.Elapsed().Seconds()
	b.ReportMetric(rate/1e9, "GFLOP/s")
	if peak := peakRate(s); peak > 0 {
		b.ReportMetric(100*rate/peak, "%peak")
	}
}

// peakRate returns how many operations a core does in a second at most with a set, 0 if
// there is no way to know.
func peakRate(s *Float32) float64 {
	loop := peaks[s.Name]
	if loop == nil {
		return 0
	}
	const rounds = 10_000
	best := time.Duration(1 << 62)
	var flops int
	for range 50 {
		start := time.Now()
		flops = loop(rounds)
		best = min(best, time.Since(start))
	}
	return float64(flops) / best.Seconds()
}

// peaks holds, for each set, a loop of independent multiply-adds that returns how many
// operations it did.
var peaks = map[string]func(rounds int) (flops int){}

// BenchmarkPeak measures the machine.
func BenchmarkPeak(b *testing.B) {
	for _, s := range All() {
		if loop := peaks[s.Name]; loop != nil {
			b.Run(s.Name, func(b *testing.B) {
				flops := 0
				for b.Loop() {
					flops += loop(10_000)
				}
				b.ReportMetric(float64(flops)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

// benchmarks runs a benchmark for each set.
func benchmarks(b *testing.B, name string, f func(b *testing.B, s *Float32, r *rand.Rand)) {
	for _, s := range All() {
		b.Run(s.Name+"/"+name, func(b *testing.B) { f(b, s, rand.New(rand.NewPCG(1, 2))) })
	}
}

func values(r *rand.Rand, rows, cols int) Matrix {
	ld := Pad(cols, Lanes)
	return Matrix{Data: normal(r, Floats(rows*ld), 1), Rows: rows, LD: ld}
}

func BenchmarkGemm(b *testing.B) {
	for _, c := range []struct{ rows, k, n int }{
		{3136, 48, 96}, {3136, 96, 48}, {784, 96, 192}, {784, 192, 96}, {196, 192, 384}, {196, 384, 192},
		{49, 384, 768}, {49, 768, 384}, {1, 192, 48}, {1, 384, 1000},
	} {
		benchmarks(b, fmt.Sprintf("%dx%dx%d", c.rows, c.k, c.n), func(b *testing.B, s *Float32, r *rand.Rand) {
			g := Gemm{In: values(r, c.rows, c.k), Out: values(r, c.rows, c.n), To: c.rows}
			g.W = s.Pack(normal(r, make([]float32, c.n*c.k), 1), c.n, c.k, nil)
			for b.Loop() {
				s.Gemm(&g)
			}
			report(b, s, 2*c.rows*c.k*c.n)
		})
	}
}

func BenchmarkMixer(b *testing.B) {
	for _, c := range []struct{ rows, channels int }{{3136, 48}, {784, 96}, {196, 192}, {49, 384}} {
		benchmarks(b, fmt.Sprintf("%dx%d", c.rows, c.channels), func(b *testing.B, s *Float32, r *rand.Rand) {
			hidden := 2 * c.channels
			x := values(r, c.rows, c.channels)
			m := Mixer{In: x, Out: values(r, c.rows, c.channels), Residual: x, Act: GELU, To: c.rows, Scratch: Floats(MixerScratch(hidden))}
			m.Expand = s.Pack(normal(r, make([]float32, hidden*c.channels), 0.1), hidden, c.channels, nil)
			m.Project = s.Pack(normal(r, make([]float32, hidden*c.channels), 0.1), c.channels, hidden, nil)
			for b.Loop() {
				s.Mixer(&m)
			}
			report(b, s, 4*c.rows*c.channels*hidden)
		})
	}
}

func BenchmarkDepthwise(b *testing.B) {
	for _, c := range []struct{ size, channels, stride int }{{56, 48, 1}, {56, 48, 2}, {28, 96, 1}, {28, 96, 2}, {14, 192, 1}, {14, 192, 2}, {7, 384, 1}} {
		benchmarks(b, fmt.Sprintf("%dx%dx%d/stride=%d", c.size, c.size, c.channels, c.stride), func(b *testing.B, s *Float32, r *rand.Rand) {
			out := (c.size-1)/c.stride + 1
			d := Depthwise{Image: Image{N: 1, H: c.size, W: c.size, HO: out, WO: out, Stride: c.stride}, To: out}
			d.In, d.Out = values(r, c.size*c.size, c.channels), values(r, out*out, c.channels)
			d.Taps, d.Bias = normal(r, Floats(9*d.Out.LD), 1), Floats(d.Out.LD)
			for b.Loop() {
				s.Depthwise(&d)
			}
			report(b, s, 2*9*out*out*c.channels)
		})
	}
}

// BenchmarkConv3x3 is the stem, whose first convolution reads the image as it is, and what
// necks and heads of segmenters and detectors have.
func BenchmarkConv3x3(b *testing.B) {
	for _, c := range []struct {
		n, size, stride, cin, cout int
		act                        Activation
	}{
		{1, 224, 2, 3, 24, GELU}, {1, 112, 2, 24, 48, Identity},
		{1, 128, 1, 256, 256, Identity}, {1, 128, 1, 256, 128, ReLU}, {1, 16, 1, 256, 256, Identity}, {100, 14, 1, 256, 256, ReLU},
	} {
		benchmarks(b, fmt.Sprintf("%dx%dx%dx%dto%d/stride=%d", c.n, c.size, c.size, c.cin, c.cout, c.stride), func(b *testing.B, s *Float32, r *rand.Rand) {
			out := c.size / c.stride
			v := Conv3x3{Image: Image{N: c.n, H: c.size, W: c.size, HO: out, WO: out, Stride: c.stride}, Cin: c.cin, Act: c.act, To: c.n * out}
			v.Out = values(r, c.n*out*out, c.cout)
			if c.cin == 3 {
				v.Planar = normal(r, Floats(3*c.size*c.size), 1)
			} else {
				v.In = values(r, c.n*c.size*c.size, c.cin)
			}
			v.W = s.Pack(normal(r, make([]float32, c.cout*9*c.cin), 0.1), c.cout, 9*c.cin, nil)
			for b.Loop() {
				s.Conv3x3(&v)
			}
			report(b, s, 2*9*c.cin*c.cout*out*out*c.n)
		})
	}
}

// BenchmarkWinograd counts the operations of a convolution over patches, of which it does a
// quarter.
func BenchmarkWinograd(b *testing.B) {
	for _, c := range []struct{ n, size, cin, cout int }{{1, 128, 256, 256}, {1, 128, 256, 128}, {1, 128, 64, 64}, {1, 128, 32, 32}, {1, 128, 48, 48}, {1, 7, 512, 512}, {1, 16, 256, 256}, {100, 14, 256, 256}} {
		benchmarks(b, fmt.Sprintf("%dx%dx%dx%dto%d", c.n, c.size, c.size, c.cin, c.cout), func(b *testing.B, s *Float32, r *rand.Rand) {
			w := Winograd{Image: Image{N: c.n, H: c.size, W: c.size, HO: c.size, WO: c.size, Stride: 1}, Act: ReLU, Bias: Floats(Pad(c.cout, Lanes))}
			w.To = WinogradTiles(w.Image)
			w.In, w.Out = values(r, c.n*c.size*c.size, c.cin), values(r, c.n*c.size*c.size, c.cout)
			for _, v := range WinogradWeights(normal(r, make([]float32, c.cout*9*c.cin), 0.1), c.cout, c.cin) {
				w.W = append(w.W, s.Pack(v, c.cout, c.cin, nil))
			}
			w.Scratch = Floats(WinogradScratch(c.cin, c.cout))
			for b.Loop() {
				s.Winograd(&w)
			}
			report(b, s, 2*9*c.cin*c.cout*c.size*c.size*c.n)
		})
	}
}

// BenchmarkColumns measures what squeeze-and-excitation needs, and the elementwise kernels,
// in operations on elements.
func BenchmarkColumns(b *testing.B) {
	for _, c := range []struct{ rows, cols int }{{3136, 48}, {784, 96}, {196, 192}, {49, 384}} {
		shape := fmt.Sprintf("%dx%d", c.rows, c.cols)
		run := func(kernel string, f func(s *Float32, x, y Matrix, v []float32)) {
			benchmarks(b, kernel+"/"+shape, func(b *testing.B, s *Float32, r *rand.Rand) {
				x, y, v := values(r, c.rows, c.cols), values(r, c.rows, c.cols), Floats(Pad(c.cols, Lanes))
				for i := range v {
					v[i] = 1
				}
				clear(y.Data)
				for i := range x.Data { // stays as it is, or normal at least, however often a kernel works on it
					x.Data[i] = 8
				}
				for b.Loop() {
					f(s, x, y, v)
				}
				b.ReportMetric(float64(len(x.Data))*float64(b.N)/b.Elapsed().Seconds()/1e9, "Gelements/s")
			})
		}
		run("sum", func(s *Float32, x, _ Matrix, v []float32) { s.SumColumns(v, x, 0, len(v)) })
		run("scale", func(s *Float32, x, _ Matrix, v []float32) { s.ScaleColumns(x, v, 0, x.Rows) })
		run("add", func(s *Float32, x, y Matrix, _ []float32) { s.AddInto(x.Data, y.Data) })
		run("add scaled", func(s *Float32, x, y Matrix, _ []float32) { s.AddScaled(x.Data, y.Data, 0.5) })
		run("gelu", func(s *Float32, x, _ Matrix, _ []float32) { s.Apply(x.Data, GELU) })
		run("sigmoid", func(s *Float32, x, _ Matrix, _ []float32) { s.Apply(x.Data, Sigmoid) })
	}
}

func BenchmarkPack(b *testing.B) {
	benchmarks(b, "768x384", func(b *testing.B, s *Float32, r *rand.Rand) {
		w := normal(r, make([]float32, 768*384), 1)
		b.SetBytes(4 * 768 * 384)
		for b.Loop() {
			s.Pack(w, 768, 384, nil)
		}
	})
}
