package infer

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
	"github.com/repvit-go/repvit/internal/optest"
	"github.com/repvit-go/repvit/verify/reference"
)

// compare runs g on every instruction set and compares all its outputs, and in Observe all
// its values, with the float64 reference.
func compare(t *testing.T, g *graph.Graph, x *graph.Tensor, tolerance float64) {
	t.Helper()
	want := oracle(t, g, x)
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

// oracle returns all values of g by their names.
func oracle(t testing.TB, g *graph.Graph, x *graph.Tensor) map[string]*graph.Tensor {
	t.Helper()
	n, err := reference.New(g, 0)
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]*graph.Tensor{}
	err = n.Observe(t.Context(), x, func(v *graph.Value, y *graph.Tensor) error {
		values[v.Name] = y
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	delete(values, g.Inputs[0].Name)
	return values
}

// near checks got against want within tolerance × max |want|.
func near(t *testing.T, what string, got, want *graph.Tensor, tolerance float64) {
	t.Helper()
	if !slices.Equal(got.Shape, want.Shape) {
		t.Fatalf("%s: shape %v, want %v", what, got.Shape, want.Shape)
	}
	top, exact := 1e-30, want.Float64s()
	for _, v := range exact {
		top = max(top, math.Abs(v))
	}
	for i, v := range got.Float64s() {
		if d := math.Abs(v - exact[i]); !(d <= tolerance*top) {
			t.Fatalf("%s: element %d is %g, want %g (error %.2g of the largest)", what, i, v, exact[i], d/top)
		}
	}
}

func TestEveryOperatorIsLowered(t *testing.T) {
	for _, op := range graph.Ops() {
		o, ok := lowerings[op.Kind()]
		switch {
		case !ok:
			t.Errorf("package infer does not lower the operator %s", op.Kind())
		case op.Traits().Has(graph.Activation) && o.activation == nil:
			t.Errorf("package infer does not know the activation function %s", op.Kind())
		}
	}
	if len(lowerings) != len(graph.Ops()) {
		t.Errorf("%d operators are lowered, graph.Ops has %d", len(lowerings), len(graph.Ops()))
	}
}

// TestOperators runs every operator on shapes with rests.
func TestOperators(t *testing.T) {
	for _, c := range optest.Cases() {
		t.Run(c.Name, func(t *testing.T) {
			for _, shape := range c.Shapes() {
				compare(t, c.Graph, optest.Input(shape), c.Tolerance)
			}
		})
	}
}

// TestQuantizedOperators runs those that may be quantized, on every integer instruction set.
// Sums that lie between two integers may be rounded to either.
func TestQuantizedOperators(t *testing.T) {
	for _, c := range optest.Cases() {
		g, step := optest.Int8(c.Graph)
		if step == 0 {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			for _, shape := range c.Shapes() {
				x := optest.Input(shape)
				want := oracle(t, g, x)["y"].Float64s()
				for _, isa := range isas8() {
					got := run(t, open(t, g, Options{ISA: isa}), x)
					off := 0
					for i, v := range got {
						steps := math.Abs(float64(v)-want[i]) / step
						if !(steps <= 2.01) {
							t.Fatalf("%s: element %d is %v, want %v", isa, i, v, want[i])
						}
						if steps > 0.5 {
							off++
						}
					}
					if off > 1+len(got)/20 {
						t.Fatalf("%s: %d of %d elements are off by a step", isa, off, len(got))
					}
				}
			}
		})
	}
}

// TestSeveralInputs runs a graph with two inputs and two outputs.
func TestSeveralInputs(t *testing.T) {
	g := optest.Several()
	n, err := reference.New(g, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, set := range kernel.All() {
		s := open(t, g, Options{ISA: set.Name, Threads: 2})
		for _, shape := range optest.Shapes() {
			in := []*graph.Tensor{optest.Input(shape), optest.Input([]int{shape[0], optest.Channels, 1, 1})}
			want, err := n.RunInputs(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			got, err := s.RunInputs(t.Context(), in)
			if err != nil {
				t.Fatal(err)
			}
			for i, v := range g.Outputs {
				near(t, set.Name+" "+v.Name, got[i], want[i], 2e-6)
			}
			out, err := s.OutputShape(in[0].Shape, in[1].Shape)
			if err != nil || !slices.Equal(out, got[0].Shape) {
				t.Errorf("output of shape %v, %v, want %v", out, err, got[0].Shape)
			}
			_, err = s.RunInputs(t.Context(), in[:1])
			_, unequal := s.RunInputs(t.Context(), []*graph.Tensor{in[0], optest.Input([]int{shape[0], 5, 1, 1})})
			_, one := s.Run(t.Context(), in[0])
			for _, err := range []error{err, unequal, one, s.Observe(t.Context(), in[0], nil)} {
				if !errors.Is(err, graph.ErrShape) {
					t.Errorf("%v, want one that wraps ErrShape", err)
				}
			}
		}
	}
}

// TestFusions runs operators beside others, on shapes with rests.
func TestFusions(t *testing.T) {
	gelu, relu, sigmoid := graph.Gelu{}, graph.Relu{}, graph.Sigmoid{}
	tests := []struct {
		name  string
		build func(b *builder, x *graph.Value) *graph.Value // x has 12 channels
		tol   float64
	}{
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
