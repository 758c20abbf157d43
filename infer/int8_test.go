package infer

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// definition returns the graph's first output with every node computed as it is defined.
func definition(t testing.TB, g *graph.Graph, x *graph.Tensor) []float32 {
	t.Helper()
	var out *graph.Tensor
	err := open(t, g, Options{ISA: "generic"}).Observe(t.Context(), x, func(v *graph.Value, a *graph.Tensor) error {
		if v == g.Outputs[0] {
			out = a
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return out.Float32s()
}

// isas8 are the names of all instruction sets that int8 networks can run on here.
func isas8() []string {
	var names []string
	for _, s := range kernel.All8() {
		names = append(names, s.Name)
	}
	return names
}

// integerKinds returns the operators of a session that work on integers.
func integerKinds(s *Session) []string {
	var kinds []string
	for _, o := range s.model.program.ops {
		switch o.(type) {
		case *quantize8Op, *dequantize8Op, *matrix8Op, *dense8Op, *depthwise8Op, *lookup8Op, *sum8Op, *scale8Op, *pool8Op:
			name := strings.NewReplacer("*infer.", "", "8Op", "").Replace(fmt.Sprintf("%T", o))
			short := strings.NewReplacer("QuantizeLinear", "Q", "DequantizeLinear", "DQ").Replace(o.base().kind)
			kinds = append(kinds, name+" "+short)
		}
	}
	return kinds
}

// step8 is the scale of activations in the patterns below, zero8 their zero point: inputs
// and results are normally distributed and use the range up to about 4.
const (
	step8 = 0.03
	zero8 = 130
)

// rounded quantizes and dequantizes.
func (b *builder) rounded(x *graph.Value) *graph.Value {
	return b.dequantize(b.quantize(x, step8, zero8), step8, zero8)
}

// conv8 appends a convolution of a value with that quantization by int8 weights.
func (b *builder) conv8(x *graph.Value, cin, cout, kernel, stride, group int) *graph.Value {
	in := cin / group
	w, scales := b.weight8(b.normal(1/math.Sqrt(float64(in*kernel*kernel)), cout, in, kernel, kernel).Const, 0)
	p := (kernel - 1) / 2
	bias := b.normal(0.1, cout).Const.Float32s()
	return b.add(graph.Conv{Strides: [2]int{stride, stride}, Pads: [4]int{p, p, p, p}, Group: group}, x, w, b.bias32(bias, []int{cout}, step8, scales))
}

// gemm8 is the same for Gemm.
func (b *builder) gemm8(x *graph.Value, cin, cout int) *graph.Value {
	w, scales := b.weight8(b.normal(1/math.Sqrt(float64(cin)), cout, cin).Const, 0)
	return b.add(graph.Gemm{}, x, w, b.bias32(b.normal(0.1, cout).Const.Float32s(), []int{cout}, step8, scales))
}

// pattern is a graph and the integer operators that it becomes.
type pattern struct {
	name  string
	build func(b *builder, x *graph.Value) *graph.Value
	want  []string
	step  float64 // of the result, whose elements may be one step off; 0 for float32
}

var patterns = []pattern{
	{"float32 result", func(b *builder, x *graph.Value) *graph.Value {
		return b.conv8(b.rounded(x), 20, 33, 1, 1, 1)
	}, []string{"matrix Conv"}, 0},
	{"dequantized result", func(b *builder, x *graph.Value) *graph.Value {
		return b.rounded(b.conv8(b.rounded(x), 20, 33, 1, 1, 1))
	}, []string{"matrix Conv+Q+DQ"}, step8},
	{"ReLU before quantization", func(b *builder, x *graph.Value) *graph.Value {
		return b.rounded(b.add(graph.Relu{}, b.conv8(b.rounded(x), 20, 33, 1, 1, 1)))
	}, []string{"matrix Conv+Relu+Q", "dequantize DQ"}, step8},
	{"ReLU without quantization", func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Relu{}, b.conv8(b.rounded(x), 20, 33, 1, 1, 1))
	}, []string{"matrix Conv+Relu"}, 0},
	{"residual", func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, x, b.conv8(b.rounded(x), 20, 20, 1, 1, 1))
	}, []string{"matrix Conv+Add"}, 0},
	{"residual of a rounded result", func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, b.rounded(b.conv8(b.rounded(x), 20, 20, 1, 1, 1)), x)
	}, []string{"matrix Conv+Q+DQ+Add"}, step8},
	{"residual dequantized late", func(b *builder, x *graph.Value) *graph.Value {
		q := b.quantize(x, step8, zero8)
		y := b.rounded(b.conv8(b.dequantize(q, step8, zero8), 20, 20, 1, 1, 1))
		return b.add(graph.Add{}, b.dequantize(q, step8, zero8), y)
	}, []string{"quantize Q", "dequantize DQ", "matrix Conv+Q+DQ+Add"}, step8},
	{"quantized residual", func(b *builder, x *graph.Value) *graph.Value {
		q := b.quantize(x, step8, zero8)
		y := b.rounded(b.conv8(b.dequantize(q, step8, zero8), 20, 20, 1, 1, 1))
		return b.rounded(b.add(graph.Add{}, y, b.dequantize(q, step8, zero8)))
	}, []string{"quantize Q", "matrix Conv+Q+DQ+Add+Q", "dequantize DQ"}, step8},
	{"GELU by table", func(b *builder, x *graph.Value) *graph.Value {
		return b.rounded(b.add(graph.Gelu{}, b.rounded(b.conv8(b.rounded(x), 20, 70, 1, 1, 1))))
	}, []string{"matrix Conv+Q+DQ+Gelu+Q", "dequantize DQ"}, 2 * step8},
	{"mixer", func(b *builder, x *graph.Value) *graph.Value {
		h := b.rounded(b.add(graph.Gelu{}, b.rounded(b.conv8(b.rounded(x), 20, 70, 1, 1, 1))))
		return b.add(graph.Add{}, x, b.rounded(b.conv8(h, 70, 20, 1, 1, 1)))
	}, []string{"matrix Conv+Q+DQ+Gelu+Q+DQ+Conv+Q+DQ+Add"}, step8},
	{"mixer with float32 GELU", func(b *builder, x *graph.Value) *graph.Value {
		h := b.rounded(b.add(graph.Gelu{}, b.conv8(b.rounded(x), 20, 70, 1, 1, 1)))
		return b.add(graph.Add{}, x, b.rounded(b.conv8(h, 70, 20, 1, 1, 1)))
	}, []string{"matrix Conv+Gelu+Q+DQ+Conv+Q+DQ+Add"}, step8},
	{"quantized mixer", func(b *builder, x *graph.Value) *graph.Value {
		x = b.rounded(x)
		h := b.rounded(b.add(graph.Gelu{}, b.rounded(b.conv8(x, 20, 70, 1, 1, 1))))
		return b.rounded(b.add(graph.Add{}, x, b.rounded(b.conv8(h, 70, 20, 1, 1, 1))))
	}, []string{"quantize Q", "matrix Conv+Q+DQ+Gelu+Q+DQ+Conv+Q+DQ+Add+Q", "dequantize DQ"}, step8},
	{"depthwise", func(b *builder, x *graph.Value) *graph.Value {
		return b.rounded(b.conv8(b.rounded(x), 20, 20, 3, 1, 20))
	}, []string{"quantize Q", "depthwise Conv+Q", "dequantize DQ"}, step8},
	{"strided depthwise, ReLU", func(b *builder, x *graph.Value) *graph.Value {
		return b.rounded(b.add(graph.Relu{}, b.conv8(b.rounded(x), 20, 20, 3, 2, 20)))
	}, []string{"quantize Q", "depthwise Conv+Relu+Q", "dequantize DQ"}, step8},
	{"depthwise with GELU", func(b *builder, x *graph.Value) *graph.Value {
		return b.rounded(b.add(graph.Gelu{}, b.rounded(b.conv8(b.rounded(x), 20, 20, 3, 1, 20))))
	}, []string{"quantize Q", "depthwise Conv+Q+DQ+Gelu+Q", "dequantize DQ"}, 2 * step8},
	{"depthwise of float32 results", func(b *builder, x *graph.Value) *graph.Value {
		return b.conv8(b.rounded(x), 20, 20, 3, 1, 20)
	}, []string{"quantize Q", "dequantize DQ"}, 0},
	{"depthwise of float32 inputs", func(b *builder, x *graph.Value) *graph.Value {
		return b.rounded(b.conv8(x, 20, 20, 3, 1, 20))
	}, []string{"quantize Q", "dequantize DQ"}, step8},
	{"dense of the input", func(b *builder, x *graph.Value) *graph.Value {
		return b.rounded(b.conv8(b.rounded(b.input()), 3, 24, 3, 2, 1))
	}, []string{"dense Conv+Q+DQ"}, step8},
	{"two dense, GELU between", func(b *builder, x *graph.Value) *graph.Value {
		y := b.rounded(b.add(graph.Gelu{}, b.rounded(b.conv8(b.rounded(b.input()), 3, 24, 3, 2, 1))))
		return b.rounded(b.conv8(y, 24, 40, 3, 2, 1))
	}, []string{"dense Conv+Q+DQ+Gelu+Q", "dense Conv+Q+DQ"}, step8},
	{"dense with float32 GELU", func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Gelu{}, b.conv8(b.rounded(x), 20, 33, 3, 1, 1))
	}, []string{"quantize Q", "dense Conv+Gelu"}, 0},
	{"dense 5×5 with residual", func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.Add{}, b.conv8(b.rounded(x), 20, 20, 5, 1, 1), x)
	}, []string{"quantize Q", "dense Conv+Add"}, 0},
	{"squeeze and excitation", func(b *builder, x *graph.Value) *graph.Value {
		q := b.quantize(x, step8, zero8)
		y := b.rounded(b.add(graph.GlobalAveragePool{}, b.dequantize(q, step8, zero8)))
		y = b.rounded(b.add(graph.Relu{}, b.conv8(y, 20, 8, 1, 1, 1)))
		y = b.rounded(b.add(graph.Sigmoid{}, b.rounded(b.conv8(y, 8, 20, 1, 1, 1))))
		return b.rounded(b.add(graph.Mul{}, b.dequantize(q, step8, zero8), y))
	}, []string{"quantize Q", "pool GlobalAveragePool+Q", "matrix Conv+Relu+Q+DQ+Conv+Q+DQ+Sigmoid+Q", "scale Mul+Q", "dequantize DQ"}, step8},
	{"head", func(b *builder, x *graph.Value) *graph.Value {
		y := b.rounded(b.add(graph.GlobalAveragePool{}, b.rounded(x)))
		return b.gemm8(b.rounded(b.add(graph.Flatten{}, y)), 20, 70)
	}, []string{"quantize Q", "pool GlobalAveragePool+Q", "matrix Gemm"}, step8},
	{"head of float32", func(b *builder, x *graph.Value) *graph.Value {
		return b.rounded(b.gemm8(b.rounded(b.add(graph.Flatten{}, b.add(graph.GlobalAveragePool{}, x))), 20, 70))
	}, []string{"matrix Gemm+Q+DQ"}, step8},
	{"sum", func(b *builder, x *graph.Value) *graph.Value {
		return b.rounded(b.add(graph.Add{}, b.rounded(b.conv(x, 20, 20, 1, 1, 1)), b.rounded(x)))
	}, []string{"quantize Q", "quantize Q", "sum Add+Q", "dequantize DQ"}, step8},
	{"function", func(b *builder, x *graph.Value) *graph.Value {
		return b.rounded(b.add(graph.Sigmoid{}, b.rounded(x)))
	}, []string{"quantize Q", "lookup Sigmoid+Q", "dequantize DQ"}, step8},
	{"several readers", func(b *builder, x *graph.Value) *graph.Value {
		q := b.quantize(x, step8, zero8)
		y := b.conv8(b.dequantize(q, step8, zero8), 20, 20, 1, 1, 1)
		z := b.conv8(b.dequantize(q, step8, zero8), 20, 20, 1, 1, 1)
		return b.add(graph.Add{}, b.add(graph.Add{}, y, z), b.dequantize(q, step8, zero8))
	}, []string{"quantize Q", "matrix Conv", "matrix Conv+Add", "dequantize DQ"}, 0},
	{"MatMul", func(b *builder, x *graph.Value) *graph.Value {
		w, _ := b.weight8(b.normal(0.2, 20, 33).Const, 1)
		y := b.rounded(b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, x))
		y = b.add(graph.Add{}, b.add(graph.MatMul{}, y, w), b.normal(1, 1, 1, 1, 33))
		return b.rounded(b.add(graph.Transpose{Perm: []int{0, 3, 1, 2}}, y))
	}, []string{"matrix MatMul+Add+Transpose+Q+DQ"}, step8},
	{"MatMul of rows", func(b *builder, x *graph.Value) *graph.Value {
		w, _ := b.weight8(b.normal(0.2, 20, 33).Const, 1)
		y := b.add(graph.Flatten{}, b.add(graph.GlobalAveragePool{}, x))
		return b.add(graph.MatMul{}, b.rounded(y), w)
	}, []string{"matrix MatMul"}, 0},
	{"MatMul of a planar axis", func(b *builder, x *graph.Value) *graph.Value {
		// The last axis of N×C×H×W: the width, 9.
		w, _ := b.weight8(b.normal(0.3, 9, 5).Const, 1)
		return b.add(graph.MatMul{}, b.rounded(x), w)
	}, []string{"matrix MatMul"}, 0},
	{"transposed integers", func(b *builder, x *graph.Value) *graph.Value {
		q := b.quantize(x, step8, zero8)
		q = b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, q)
		w, _ := b.weight8(b.normal(0.2, 20, 33).Const, 1)
		return b.add(graph.MatMul{}, b.dequantize(q, step8, zero8), w)
	}, []string{"quantize Q", "matrix MatMul"}, 0},
	{"integers transposed out of place", func(b *builder, x *graph.Value) *graph.Value {
		q := b.add(graph.Transpose{Perm: []int{0, 1, 3, 2}}, b.quantize(x, step8, zero8))
		return b.dequantize(q, step8, zero8)
	}, []string{"quantize Q"}, 0},
	// What there are no kernels for is computed by definition.
	{"zero point of the weights", func(b *builder, x *graph.Value) *graph.Value {
		w := b.constant(graph.Int8Tensor([]int{4, 20, 1, 1}, make([]int8, 80)))
		d := b.add(graph.DequantizeLinear{}, w, b.scalar(0.1), b.constant(graph.Int8Tensor(nil, []int8{3})))
		return b.add(graph.Conv{Strides: [2]int{1, 1}, Group: 1}, b.rounded(x), d)
	}, []string{"quantize Q", "dequantize DQ"}, 0},
	{"int8 activations", func(b *builder, x *graph.Value) *graph.Value {
		scale, zero := b.scalar(step8), b.constant(graph.Int8Tensor(nil, []int8{3}))
		y := b.add(graph.DequantizeLinear{}, b.add(graph.QuantizeLinear{}, x, scale, zero), scale, zero)
		return b.conv8(y, 20, 20, 1, 1, 1)
	}, []string{"matrix Conv"}, 0},
	{"int8 activations between products", func(b *builder, x *graph.Value) *graph.Value {
		scale, zero := b.scalar(step8), b.constant(graph.Int8Tensor(nil, []int8{0}))
		round := func(x *graph.Value) *graph.Value {
			return b.add(graph.DequantizeLinear{}, b.add(graph.QuantizeLinear{}, x, scale, zero), scale, zero)
		}
		y := round(b.add(graph.Relu{}, b.conv8(round(x), 20, 20, 1, 1, 1)))
		return round(b.conv8(y, 20, 8, 1, 1, 1))
	}, []string{"matrix Conv+Relu+Q+DQ+Conv+Q+DQ"}, step8},
	{"int8 activations that something else reads", func(b *builder, x *graph.Value) *graph.Value {
		scale, zero := b.scalar(step8), b.constant(graph.Int8Tensor(nil, []int8{0}))
		q := b.add(graph.QuantizeLinear{}, x, scale, zero)
		y := b.conv8(b.add(graph.DequantizeLinear{}, q, scale, zero), 20, 20, 1, 1, 1)
		return b.add(graph.Add{}, y, b.add(graph.Cast{To: graph.Float32}, q))
	}, nil, 0},
	{"a scale for each channel", func(b *builder, x *graph.Value) *graph.Value {
		zero := b.constant(graph.Uint8Tensor([]int{20}, make([]uint8, 20)))
		scale := b.positive(20)
		y := b.add(graph.DequantizeLinear{Axis: 1}, b.add(graph.QuantizeLinear{Axis: 1}, x, scale, zero), scale, zero)
		return b.conv8(y, 20, 20, 1, 1, 1)
	}, nil, 0},
	{"grouped", func(b *builder, x *graph.Value) *graph.Value {
		return b.conv8(b.rounded(x), 20, 40, 3, 1, 4)
	}, []string{"quantize Q", "dequantize DQ"}, 0},
	{"sums beyond 32 bits", func(b *builder, x *graph.Value) *graph.Value {
		w, _ := b.weight8(b.normal(1, 4, 20, 1, 1).Const, 0)
		return b.add(graph.Conv{Strides: [2]int{1, 1}, Group: 1}, b.rounded(x), w, b.constant(graph.Float32Tensor([]int{4}, []float32{1e9, 0, 0, 0})))
	}, []string{"quantize Q", "dequantize DQ"}, 1e9 / (1 << 22)},
}

// graph builds a pattern behind a float32 convolution to 20 channels.
func (p pattern) graph() *graph.Graph {
	b := newBuilder(3)
	b.Outputs = []*graph.Value{p.build(b, b.conv(b.input(), 3, 20, 1, 1, 1))}
	// The convolution is not needed by all.
	if c := b.Consumers(); len(c[b.Nodes[0].Output]) == 0 {
		b.Nodes = b.Nodes[1:]
	}
	return b.Graph
}

// TestPatterns8 checks which operators patterns become and compares their results with the
// definition.
func TestPatterns8(t *testing.T) {
	for _, p := range patterns {
		t.Run(p.name, func(t *testing.T) {
			g := p.graph()
			x := randomInput(2, 3, 11, 9)
			s := open(t, g, Options{})
			if kinds := integerKinds(s); !slices.Equal(kinds, p.want) {
				t.Errorf("integer operators %q, want %q", kinds, p.want)
			}
			want := definition(t, g, x)
			got := run(t, s, x)
			off := 0
			for i := range want {
				d := math.Abs(float64(got[i] - want[i]))
				if d > 1.001*p.step+3e-5 {
					t.Fatalf("element %d is %v, by definition %v: more than a step of %v", i, got[i], want[i], p.step)
				}
				if d > 3e-5 {
					off++
				}
			}
			if off*100 > len(want) {
				t.Errorf("%d of %d elements are a step off", off, len(want))
			}
		})
	}
}

// TestSameIntegers8 checks that the bits of a result depend on neither the instruction set
// nor the threads nor the other images of a batch. What is left in float32 differs from set
// to set, so one set's is used here.
func TestSameIntegers8(t *testing.T) {
	for _, p := range patterns {
		g := p.graph()
		x := randomInput(3, 3, 11, 9)
		var want []float32
		for _, isa := range isas8() {
			for _, threads := range []int{1, 3} {
				// A session on the plain float32 kernels and the integer ones of the set.
				set, set8 := kernel.Named("generic"), kernel.Named8(isa)
				s, err := newSession(g, set, Options{Threads: threads})
				if err != nil {
					t.Fatal(err)
				}
				s.model.weights = newWeights(set, set8, graph.NewBudget(g, 0))
				if s.model.program, err = lower(g, s.model.weights, true, threads); err != nil {
					t.Fatal(err)
				}
				got := run(t, s, x)
				if want == nil {
					want = got
				}
				for i := range want {
					if math.Float32bits(got[i]) != math.Float32bits(want[i]) {
						t.Fatalf("%s: %s, %d threads: element %d is %v, before %v", p.name, isa, threads, i, got[i], want[i])
					}
				}
				size, one := x.Len()/3, len(want)/3
				for n := range 3 {
					alone := run(t, s, graph.Float32Tensor([]int{1, 3, 11, 9}, x.Float32s()[n*size:][:size]))
					if !slices.Equal(alone, want[n*one:][:one]) {
						t.Fatalf("%s: %s, %d threads: image %d alone has other results", p.name, isa, threads, n)
					}
				}
				s.Close()
			}
		}
	}
}

// TestRandomGraphs8 compares random graphs with their definition: whatever is quantized,
// read twice, added, branches off or is put out, nothing may be overwritten too early.
func TestRandomGraphs8(t *testing.T) {
	for seed := range uint64(150) {
		b := newBuilder(3)
		b.r = rand.New(rand.NewPCG(seed, 9))
		const c = 12
		values := []*graph.Value{b.conv(b.input(), 3, c, 3, 1, 1)}
		integers := map[*graph.Value]bool{}
		pick := func() *graph.Value {
			// Mostly the latest value.
			return values[len(values)-1-min(b.r.IntN(3)*b.r.IntN(3), len(values)-1)]
		}
		read := func(v *graph.Value) *graph.Value {
			if integers[v] {
				return b.dequantize(v, step8, zero8)
			}
			return v
		}
		for range 4 + b.r.IntN(12) {
			x := read(pick())
			var y *graph.Value
			switch b.r.IntN(9) {
			case 0, 1, 2:
				y = b.conv8(b.rounded(x), c, c, 1, 1, 1)
			case 3:
				y = b.conv8(b.rounded(x), c, c, 3, 1, c)
			case 4:
				y = b.conv8(b.rounded(x), c, c, 3, 1, 1)
			case 5:
				y = b.add([]graph.Op{graph.Gelu{}, graph.Relu{}, graph.Sigmoid{}}[b.r.IntN(3)], x)
			case 6, 7:
				y = b.add(graph.Add{}, x, read(pick()))
			case 8:
				gate := b.rounded(b.add(graph.GlobalAveragePool{}, x))
				y = b.add(graph.Mul{}, x, b.rounded(b.add(graph.Sigmoid{}, b.rounded(b.conv8(gate, c, c, 1, 1, 1)))))
			}
			switch b.r.IntN(3) {
			case 0:
				y = b.rounded(y)
			case 1:
				y = b.quantize(y, step8, zero8)
				integers[y] = true
			}
			values = append(values, y)
		}
		b.Outputs = []*graph.Value{read(values[len(values)-1])}
		if v := pick(); b.r.IntN(2) == 0 && v != b.Outputs[0] && v != b.input() {
			b.Outputs = append(b.Outputs, v)
		}
		x := randomInput(2, 3, 9, 7)
		s := open(t, b.Graph, Options{ISA: isas8()[int(seed)%len(isas8())]})
		observed := map[*graph.Value]*graph.Tensor{}
		if err := s.Observe(t.Context(), x, func(v *graph.Value, a *graph.Tensor) error {
			observed[v] = a
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		for range 2 {
			all, err := s.RunAll(t.Context(), x)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range b.Outputs {
				if r := sqnr(all[i].Float32s(), observed[v].Float32s()); r < 25 {
					t.Errorf("seed %d: output %d is %.1f dB from the definition", seed, i, r)
				}
			}
		}
	}
}

// TestInputChannels8 checks convolutions of inputs with any number of channels.
func TestInputChannels8(t *testing.T) {
	for c := 1; c < 9; c++ {
		for _, kernel := range []int{1, 3, 7} {
			b := newBuilder(c)
			b.Outputs = []*graph.Value{b.conv8(b.rounded(b.input()), c, 5, kernel, 1, 1)}
			x := randomInput(2, c, 7, 6)
			want := definition(t, b.Graph, x)
			for i, got := range run(t, open(t, b.Graph, Options{}), x) {
				if math.Abs(float64(got-want[i])) > 3e-5 {
					t.Fatalf("%d channels, %d×%d: element %d is %v, want %v", c, kernel, kernel, i, got, want[i])
				}
			}
		}
	}
}

// TestManyChannels8 checks products whose rows fill the scratch memory of a tile.
func TestManyChannels8(t *testing.T) {
	for _, c := range []int{480, 830, 960, 3000} {
		for _, n := range []int{5, 300} {
			for _, quantized := range []bool{false, true} {
				b := newBuilder(c)
				y := b.add(graph.Gelu{}, b.conv8(b.rounded(b.input()), c, n, 1, 1, 1))
				if quantized {
					y = b.conv8(b.rounded(y), n, c, 1, 1, 1)
				}
				b.Outputs = []*graph.Value{y}
				x := randomInput(1, c, 5, 4)
				if r := sqnr(run(t, open(t, b.Graph, Options{}), x), definition(t, b.Graph, x)); r < 35 {
					t.Errorf("%d to %d channels: %.1f dB from the definition", c, n, r)
				}
			}
		}
	}
}

// networks8 are the quantized forms of a small network.
func networks8(t testing.TB) map[string]*graph.Graph {
	m := map[string]*graph.Graph{}
	for _, s := range scopes {
		m[s.name] = quantized(t, tiny.deploy(), s, randomInput(1, 3, 64, 64))
	}
	return m
}

// sqnr is the ratio of the signal to the noise in it, in decibels.
func sqnr(got, want []float32) float64 {
	noise, signal := 0.0, 0.0
	for i := range want {
		noise += math.Pow(float64(got[i]-want[i]), 2)
		signal += math.Pow(float64(want[i]), 2)
	}
	return 10 * math.Log10(signal/noise)
}

func TestNetworks8(t *testing.T) {
	x := randomInput(2, 3, 64, 64)
	for name, g := range networks8(t) {
		s := open(t, g, Options{})
		if got := s.Stats().ISA; got != kernel.Best8().Name {
			t.Errorf("%s: instruction set %q, want %q", name, got, kernel.Best8().Name)
		}
		if r := sqnr(run(t, s, x), definition(t, g, x)); r < 30 {
			t.Errorf("%s: %.1f dB from the definition", name, r)
		}
		// Nothing but integers between the input and the logits.
		if name != "all" {
			continue
		}
		for _, o := range s.model.program.ops {
			if k := fmt.Sprintf("%T", o); !strings.HasSuffix(k, "8Op") && k != "*infer.flattenOp" {
				t.Errorf("%s: %s is %s", name, o.base().kind, k)
			}
		}
		var want []float32
		for _, isa := range isas8() {
			for _, threads := range []int{1, 2, 5} {
				got := run(t, open(t, g, Options{ISA: isa, Threads: threads}), x)
				if want == nil {
					want = got
				}
				if !slices.Equal(got, want) {
					t.Errorf("%s: %s with %d threads gives %v, want %v", name, isa, threads, got, want)
				}
			}
		}
	}
}

// TestMixers8 checks that channel mixers are one operator in every form.
func TestMixers8(t *testing.T) {
	for name, g := range networks8(t) {
		mixers, conversions := 0, 0
		for _, k := range integerKinds(open(t, g, Options{})) {
			if strings.HasPrefix(k, "matrix") && strings.Contains(k, "Gelu") && strings.Contains(k, "Add") {
				mixers++
			}
			if strings.HasPrefix(k, "quantize") || strings.HasPrefix(k, "dequantize") {
				conversions++
			}
		}
		if mixers != 9 {
			t.Errorf("%s: %d mixers, want 9", name, mixers)
		}
		// The logits of the fully quantized form are dequantized behind the last operator at most.
		if conversions > 1 {
			t.Errorf("%s: %d conversions stand alone", name, conversions)
		}
	}
}

func TestInt8DoesNotAllocate(t *testing.T) {
	for name, g := range networks8(t) {
		for _, threads := range []int{1, 2} {
			s := open(t, g, Options{Threads: threads})
			x := randomInput(1, 3, 64, 64)
			dst := make([]float32, 7)
			once := func() {
				if err := s.RunInto(t.Context(), dst, x.Shape, x.Float32s()); err != nil {
					t.Fatal(err)
				}
			}
			once()
			if n := testing.AllocsPerRun(50, once); n >= 1 {
				t.Errorf("%s, %d threads: %v allocations a run", name, threads, n)
			}
		}
	}
}

// TestObserveNamesEveryValue8 checks that nothing is missing although a run fuses nearly
// everything, and that the session goes on working.
func TestObserveNamesEveryValue8(t *testing.T) {
	x := randomInput(1, 3, 64, 64)
	for name, g := range networks8(t) {
		s := open(t, g, Options{})
		before := run(t, s, x)
		seen := map[string]bool{}
		err := s.Observe(t.Context(), x, func(v *graph.Value, a *graph.Tensor) error {
			seen[v.Name] = true
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		for _, n := range g.Nodes {
			if n.Inputs[0].Const == nil && !seen[n.Name()] {
				t.Errorf("%s: %s (%s) is missing", name, n.Name(), n.Op.Kind())
			}
		}
		if !slices.Equal(run(t, s, x), before) {
			t.Errorf("%s: other results after observing", name)
		}
	}
}

// TestQuantizedOutputs checks outputs from inside of what would be fused.
func TestQuantizedOutputs(t *testing.T) {
	b := newBuilder(3)
	q := b.quantize(b.input(), step8, zero8)
	y := b.conv8(b.dequantize(q, step8, zero8), 3, 20, 1, 1, 1)
	h := b.quantize(y, step8, zero8)
	d := b.dequantize(h, step8, zero8)
	b.Outputs = []*graph.Value{b.quantize(b.add(graph.Gelu{}, d), step8, zero8), d, h, y, q}
	x := randomInput(2, 3, 5, 7)
	s := open(t, b.Graph, Options{})
	all, err := s.RunAll(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	observed := map[*graph.Value]*graph.Tensor{}
	err = s.Observe(t.Context(), x, func(v *graph.Value, a *graph.Tensor) error {
		observed[v] = a
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for i, v := range b.Outputs {
		integer := i == 0 || i == 2 || i == 4
		if (all[i].DType == graph.Uint8) != integer {
			t.Errorf("output %d is %v", i, all[i].DType)
		}
		tolerance := 1e-5
		if integer {
			tolerance = 1
		} else if v == d {
			tolerance = 1.001 * step8
		}
		want := observed[v].Float32s()
		for j, got := range all[i].Float32s() {
			if math.Abs(float64(got-want[j])) > tolerance {
				t.Fatalf("output %d: element %d is %v, observed %v", i, j, got, want[j])
			}
		}
	}
}

func TestNonFiniteInputs8(t *testing.T) {
	for name, g := range networks8(t) {
		s := open(t, g, Options{})
		x := randomInput(3, 3, 32, 32)
		want := run(t, s, x)
		v := slices.Clone(x.Float32s())
		v[3*32*32+500] = float32(math.Inf(1))
		got := run(t, s, graph.Float32Tensor(x.Shape, v))
		for i := range got {
			if i/7 != 1 && got[i] != want[i] {
				t.Errorf("%s: an infinity in image 1 changes logit %d of image %d from %v to %v", name, i%7, i/7, want[i], got[i])
			}
		}
	}
}

// BenchmarkInt8 times networks with random weights beside their float32 form.
func BenchmarkInt8(b *testing.B) {
	for _, v := range []variant{m09, m11, m23} {
		float := v.deploy()
		b.Run(v.name+"/float32", func(b *testing.B) { benchmark(b, float, 1, 1, 3, 224, 224) })
		for _, s := range scopes {
			g := quantized(b, float, s, randomInput(1, 3, 64, 64))
			b.Run(v.name+"/"+s.name, func(b *testing.B) { benchmark(b, g, 1, 1, 3, 224, 224) })
		}
	}
}
