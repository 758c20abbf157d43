package infer

import (
	"fmt"
	"math"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// compare runs g on every instruction set and compares all its outputs, and in Observe all
// its values, with the float64 reference.
func compare(t *testing.T, g *graph.Graph, x *graph.Tensor, tolerance float64) {
	t.Helper()
	want := referenceRun(t, g, x)
	for _, set := range kernel.All() {
		for _, threads := range []int{1, 3} {
			s, err := New(g, Options{Threads: threads, ISA: set.Name})
			if err != nil {
				t.Fatal(err)
			}
			defer s.Close()
			for range 2 { // the second time the arena holds the first one's values
				got, err := s.RunAll(t.Context(), x)
				if err != nil {
					t.Fatal(err)
				}
				for i, v := range g.Outputs {
					near(t, set.Name+" "+v.Name, got[i], want[v.Name], tolerance)
				}
			}
			seen := 0
			err = s.Observe(t.Context(), x, func(v *graph.Value, got *graph.Tensor) error {
				if w, ok := want[v.Name]; ok {
					near(t, set.Name+" observed "+v.Name, got, w, tolerance)
					seen++
				}
				return nil
			})
			if err != nil {
				t.Fatal(err)
			}
			if seen == 0 {
				t.Fatal("Observe delivered nothing")
			}
		}
	}
}

// near checks got against want within tolerance × max |want|.
func near(t *testing.T, what string, got *graph.Tensor, want array, tolerance float64) {
	t.Helper()
	if fmt.Sprint(got.Shape) != fmt.Sprint(want.shape) {
		t.Fatalf("%s: shape %v, want %v", what, got.Shape, want.shape)
	}
	top := 1e-30
	for _, v := range want.v {
		top = max(top, math.Abs(v))
	}
	for i, v := range got.Float64s() {
		if d := math.Abs(v - want.v[i]); !(d <= tolerance*top) {
			t.Fatalf("%s: element %d is %g, want %g (error %.2g of the largest)", what, i, v, want.v[i], d/top)
		}
	}
}

// TestOperators runs every operator alone and beside others, on shapes with tails.
func TestOperators(t *testing.T) {
	gelu, relu, sigmoid := graph.Gelu{}, graph.Relu{}, graph.Sigmoid{}
	scalar := func(b *builder, scale float32, zero uint8) []*graph.Value {
		return []*graph.Value{b.constant(graph.Float32Tensor(nil, []float32{scale})), b.constant(graph.Uint8Tensor(nil, []uint8{zero}))}
	}
	quant := func(b *builder, x *graph.Value, scale float32, zero uint8) *graph.Value {
		p := scalar(b, scale, zero)
		return b.add(graph.DequantizeLinear{}, b.add(graph.QuantizeLinear{}, x, p[0], p[1]), p[0], p[1])
	}
	tests := []struct {
		name  string
		build func(b *builder, x *graph.Value) *graph.Value // x has 12 channels
		tol   float64
	}{
		{"conv 1x1", func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, 12, 20, 1, 1, 1) }, 2e-6},
		{"conv 1x1 without bias", func(b *builder, x *graph.Value) *graph.Value { return b.convolution(x, 12, 36, 1, 1, 1, false) }, 2e-6},
		{"conv 1x1 gelu", func(b *builder, x *graph.Value) *graph.Value { return b.add(gelu, b.conv(x, 12, 20, 1, 1, 1)) }, 2e-6},
		{"conv 1x1 stride 2", func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, 12, 20, 1, 2, 1) }, 2e-6},
		{"mixer", func(b *builder, x *graph.Value) *graph.Value {
			y := b.add(gelu, b.conv(x, 12, 36, 1, 1, 1))
			return b.add(graph.Add{}, x, b.conv(y, 36, 12, 1, 1, 1))
		}, 2e-6},
		{"mixer in place", func(b *builder, x *graph.Value) *graph.Value {
			x = b.conv(x, 12, 12, 3, 1, 12)
			y := b.add(gelu, b.conv(x, 12, 36, 1, 1, 1))
			return b.add(graph.Add{}, b.conv(y, 36, 12, 1, 1, 1), x)
		}, 2e-6},
		{"two convolutions, activation behind", func(b *builder, x *graph.Value) *graph.Value {
			return b.add(relu, b.conv(b.conv(x, 12, 36, 1, 1, 1), 36, 7, 1, 1, 1))
		}, 2e-6},
		{"residual of another branch", func(b *builder, x *graph.Value) *graph.Value {
			y := b.conv(x, 12, 20, 1, 1, 1)
			return b.add(graph.Add{}, y, b.conv(x, 12, 20, 1, 1, 1))
		}, 2e-6},
		{"residual and activation", func(b *builder, x *graph.Value) *graph.Value {
			y := b.conv(x, 12, 12, 1, 1, 1)
			return b.add(sigmoid, b.add(graph.Add{}, b.add(relu, y), x))
		}, 2e-6},
		{"value added to itself", func(b *builder, x *graph.Value) *graph.Value {
			y := b.conv(x, 12, 12, 1, 1, 1)
			return b.add(graph.Add{}, y, y)
		}, 2e-6},
		{"value times itself", func(b *builder, x *graph.Value) *graph.Value {
			y := b.conv(x, 12, 12, 1, 1, 1)
			return b.add(graph.Mul{}, y, y)
		}, 4e-6},
		{"depthwise 3x3", func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, 12, 12, 3, 1, 12) }, 2e-6},
		{"depthwise 3x3 stride 2 relu", func(b *builder, x *graph.Value) *graph.Value {
			return b.add(relu, b.conv(x, 12, 12, 3, 2, 12))
		}, 2e-6},
		{"depthwise 1x1", func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, 12, 12, 1, 1, 12) }, 2e-6},
		{"depthwise 5x5", func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, 12, 12, 5, 1, 12) }, 2e-6},
		{"dense 3x3 stride 2 of the input", func(b *builder, x *graph.Value) *graph.Value {
			return b.add(gelu, b.conv(x, 12, 20, 3, 2, 1))
		}, 2e-6},
		{"dense 3x3", func(b *builder, x *graph.Value) *graph.Value {
			return b.conv(b.conv(x, 12, 20, 3, 1, 1), 20, 7, 3, 2, 1)
		}, 2e-6},
		{"grouped 3x3", func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, 12, 8, 3, 1, 4) }, 2e-6},
		{"channel multiplier", func(b *builder, x *graph.Value) *graph.Value { return b.conv(x, 12, 24, 3, 1, 12) }, 2e-6},
		{"uneven kernel, stride and padding", func(b *builder, x *graph.Value) *graph.Value {
			return b.add(graph.Conv{Strides: [2]int{3, 2}, Pads: [4]int{0, 1, 2, 3}, Group: 1}, x, b.normal(0.2, 9, 12, 2, 4))
		}, 2e-6},
		{"batch norm gelu", func(b *builder, x *graph.Value) *graph.Value { return b.add(gelu, b.batchNorm(x, 12)) }, 2e-6},
		{"activations", func(b *builder, x *graph.Value) *graph.Value {
			return b.add(graph.Add{}, b.add(gelu, x), b.add(graph.Add{}, b.add(sigmoid, x), b.add(relu, x)))
		}, 2e-6},
		{"squeeze and excitation", func(b *builder, x *graph.Value) *graph.Value {
			x = b.conv(x, 12, 36, 1, 1, 1)
			y := b.add(relu, b.conv(b.add(graph.GlobalAveragePool{}, x), 36, 8, 1, 1, 1))
			return b.add(graph.Mul{}, x, b.add(sigmoid, b.conv(y, 8, 36, 1, 1, 1)))
		}, 2e-6},
		{"gate on the left, value used again", func(b *builder, x *graph.Value) *graph.Value {
			x = b.conv(x, 12, 36, 1, 1, 1)
			y := b.add(sigmoid, b.add(graph.GlobalAveragePool{}, x))
			return b.add(graph.Add{}, b.add(graph.Mul{}, y, x), x)
		}, 2e-6},
		{"broadcast constants", func(b *builder, x *graph.Value) *graph.Value {
			x = b.add(graph.Add{}, x, b.normal(1, 1, 12, 1, 1))
			return b.add(graph.Mul{}, b.normal(1, 1, 1, 1, 1), x)
		}, 2e-6},
		{"broadcast both ways", func(b *builder, x *graph.Value) *graph.Value {
			return b.add(graph.Add{}, b.add(graph.GlobalAveragePool{}, x), b.normal(1, 1, 12, 5, 1))
		}, 2e-6},
		{"flatten", func(b *builder, x *graph.Value) *graph.Value {
			return b.add(graph.Flatten{}, b.conv(x, 12, 20, 3, 2, 1))
		}, 2e-6},
		{"head", func(b *builder, x *graph.Value) *graph.Value {
			x = b.batchNorm(b.add(graph.Flatten{}, b.add(graph.GlobalAveragePool{}, x)), 12)
			y := b.add(graph.Gemm{}, x, b.normal(1, 200, 12), b.normal(1, 200))
			z := b.add(graph.Gemm{}, x, b.normal(1, 200, 12))
			return b.add(graph.Softmax{}, b.add(graph.Mean{}, y, z))
		}, 1e-5},
		{"residual of a product in blocks of columns", func(b *builder, x *graph.Value) *graph.Value {
			x = b.add(graph.Flatten{}, b.add(graph.GlobalAveragePool{}, x))
			y := b.add(graph.Gemm{}, x, b.normal(1, 200, 12), b.normal(1, 200))
			return b.add(graph.Add{}, b.add(relu, b.add(graph.Gemm{}, x, b.normal(1, 200, 12))), y)
		}, 2e-6},
		{"mean of feature maps", func(b *builder, x *graph.Value) *graph.Value {
			return b.add(graph.Mean{}, x, b.conv(x, 12, 12, 1, 1, 1), x)
		}, 2e-6},
		{"channels-last matmul", func(b *builder, x *graph.Value) *graph.Value {
			y := b.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, x)
			y = b.add(gelu, b.add(graph.MatMul{}, y, b.normal(0.3, 12, 36)))
			y = b.add(graph.MatMul{}, y, b.normal(0.2, 36, 12))
			return b.add(graph.Add{}, b.add(graph.Transpose{Perm: []int{0, 3, 1, 2}}, y), x)
		}, 2e-6},
		{"matmul over columns", func(b *builder, x *graph.Value) *graph.Value {
			x = b.add(graph.Mul{}, b.add(graph.GlobalAveragePool{}, x), b.normal(1, 1, 1, 5, 20))
			return b.add(graph.MatMul{}, x, b.normal(1, 20, 7))
		}, 3e-6},
		{"transpose", func(b *builder, x *graph.Value) *graph.Value {
			return b.add(graph.Transpose{Perm: []int{2, 0, 3, 1}}, b.add(graph.Transpose{Perm: []int{3, 1, 0, 2}}, x))
		}, 0},
		{"cast", func(b *builder, x *graph.Value) *graph.Value {
			h := b.add(graph.Cast{To: graph.Float16}, x)
			w := b.add(graph.Cast{To: graph.Float32}, b.constant(b.normal(1, 20, 12, 1, 1).Const.Half()))
			i := b.add(graph.Cast{To: graph.Float32}, b.add(graph.Cast{To: graph.Int32}, x))
			y := b.add(graph.Add{}, b.add(graph.Cast{To: graph.Float32}, h), i)
			return b.add(graph.Conv{Strides: [2]int{1, 1}, Group: 1}, y, w)
		}, 2e-6},
		{"constant nodes", func(b *builder, x *graph.Value) *graph.Value {
			w := b.add(relu, b.add(graph.Add{}, b.normal(1, 20, 12, 1, 1), b.normal(1, 20, 12, 1, 1)))
			k := b.add(graph.Transpose{Perm: []int{1, 0, 2, 3}}, w)
			y := b.add(graph.Conv{Strides: [2]int{1, 1}, Group: 1}, x, w)
			return b.add(graph.Conv{Strides: [2]int{1, 1}, Group: 1}, y, k)
		}, 2e-6},
		{"quantized activations", func(b *builder, x *graph.Value) *graph.Value { return quant(b, x, 0.0625, 128) }, 1e-7},
		{"per-channel quantization", func(b *builder, x *graph.Value) *graph.Value {
			s, z := b.positive(12), b.constant(graph.Int8Tensor([]int{12}, make([]int8, 12)))
			return b.add(graph.DequantizeLinear{Axis: 1}, b.add(graph.QuantizeLinear{Axis: 1}, x, s, z), s, z)
		}, 1e-6},
		{"quantization along a row", func(b *builder, x *graph.Value) *graph.Value {
			x = b.add(graph.Mul{}, b.add(graph.GlobalAveragePool{}, x), b.normal(3, 1, 1, 5, 7))
			s, z := b.positive(5), b.constant(graph.Int8Tensor([]int{5}, []int8{1, 2, 3, 4, 5}))
			return b.add(graph.DequantizeLinear{Axis: 2}, b.add(graph.QuantizeLinear{Axis: 2}, x, s, z), s, z)
		}, 1e-6},
		{"quantized weights", func(b *builder, x *graph.Value) *graph.Value {
			q := make([]int8, 20*12)
			for i := range q {
				q[i] = int8(i*37%255 - 127)
			}
			w := b.add(graph.DequantizeLinear{Axis: 0}, b.constant(graph.Int8Tensor([]int{20, 12, 1, 1}, q)), b.positive(20), b.constant(graph.Int8Tensor([]int{20}, make([]int8, 20))))
			return b.add(graph.Conv{Strides: [2]int{1, 1}, Group: 1}, x, w)
		}, 2e-6},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			for _, shape := range [][]int{{1, 12, 9, 7}, {3, 12, 8, 17}, {2, 12, 3, 3}} {
				b := newBuilder(12)
				b.Outputs = []*graph.Value{tt.build(b, b.input())}
				if err := b.Validate(); err != nil {
					t.Fatal(err)
				}
				compare(t, b.Graph, randomInput(shape...), tt.tol)
			}
		})
	}
}

// TestNetworks runs whole networks of odd sizes in both forms.
func TestNetworks(t *testing.T) {
	tests := []struct {
		v     variant
		shape []int
	}{
		{variant{"", []int{12, 20, 36, 40}, []string{"10", "01", "010", "01"}, 7}, []int{3, 3, 33, 65}},
		{variant{"", []int{20, 36, 12, 20}, []string{"0", "1", "00", "1"}, 13}, []int{1, 3, 64, 32}},
		{variant{"", []int{16, 32, 48, 64}, []string{"1", "0", "1", "0"}, 150}, []int{2, 3, 31, 32}},
	}
	for _, tt := range tests {
		for _, training := range []bool{false, true} {
			for _, features := range []bool{false, true} {
				g := tt.v.build(training, features)
				t.Run(fmt.Sprint(tt.v.widths, training, features), func(t *testing.T) {
					compare(t, g, randomInput(tt.shape...), 5e-6)
				})
			}
		}
	}
}
