package reference

import (
	"math"
	"slices"
	"testing"

	"github.com/repvit-go/repvit/graph"
)

func f32(shape []int, v ...float32) *graph.Tensor { return graph.Float32Tensor(shape, v) }

func weight(name string, shape []int, v ...float32) *graph.Value {
	return graph.Weight(name, f32(shape, v...))
}

// apply runs a graph of one node on a float64 input, or on weights alone where there is none.
func apply(t *testing.T, op graph.Op, x *graph.Tensor, weights ...*graph.Value) *graph.Tensor {
	t.Helper()
	operands := weights
	if x == nil {
		x = graph.Float64Tensor(nil, []float64{0})
	} else {
		operands = append([]*graph.Value{nil}, weights...)
	}
	in := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(x.Shape...)}}
	if len(operands) > len(weights) {
		operands[0] = in
	}
	g := &graph.Graph{Inputs: []*graph.Value{in}}
	g.Outputs = []*graph.Value{g.Add("out", op, operands...)}
	n, err := New(g, 2)
	if err != nil {
		t.Fatal(err)
	}
	y, err := n.Run(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	types, err := g.Types()
	if err != nil {
		t.Fatal(err)
	}
	want := types[g.Outputs[0]].DType
	if want.IsFloat() {
		want = graph.Float64
	}
	if y.DType != want {
		t.Fatalf("output of %v, want %v", y.DType, want)
	}
	return y
}

func near(a, b float64) bool {
	return a == b || math.IsNaN(a) && math.IsNaN(b) || math.Abs(a-b) <= 1e-14*max(1, math.Abs(b))
}

func TestOperators(t *testing.T) {
	ones := func(n int) []int { return []int{n} }
	inf, nan := math.Inf(1), math.NaN()
	square := []float64{1, 2, 3, 4, 5, 6, 7, 8, 9}
	unit := graph.Conv{Strides: [2]int{1, 1}, Group: 1}
	type test struct {
		name    string
		op      graph.Op
		shape   []int
		x       []float64 // none where all operands are weights
		weights []*graph.Value
		out     []int
		want    []float64
	}
	tests := []test{
		{"conv 1×1", unit, []int{1, 2, 1, 2}, []float64{1, 2, 3, 4},
			[]*graph.Value{weight("w", []int{2, 2, 1, 1}, 1, 10, 0, -1), weight("b", ones(2), 0.5, 0)},
			[]int{1, 2, 1, 2}, []float64{31.5, 42.5, -3, -4}},
		{"conv 2×2 without bias", unit, []int{1, 1, 3, 3}, square,
			[]*graph.Value{weight("w", []int{1, 1, 2, 2}, 1, 2, 3, 4)},
			[]int{1, 1, 2, 2}, []float64{37, 47, 67, 77}},
		{"conv 3×3, stride 2, padding 1", graph.Conv{Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, Group: 1},
			[]int{1, 1, 3, 3}, square, []*graph.Value{weight("w", []int{1, 1, 3, 3}, 1, 1, 1, 1, 1, 1, 1, 1, 1)},
			[]int{1, 1, 2, 2}, []float64{12, 16, 24, 28}},
		{"conv, uneven strides and padding", graph.Conv{Strides: [2]int{1, 2}, Pads: [4]int{0, 1, 2, 0}, Group: 1},
			[]int{1, 1, 2, 2}, []float64{1, 2, 3, 4}, []*graph.Value{weight("w", []int{1, 1, 2, 2}, 1, 10, 100, 1000)},
			[]int{1, 1, 3, 1}, []float64{10 + 3000, 30, 0}},
		{"depthwise conv", graph.Conv{Strides: [2]int{1, 1}, Group: 2}, []int{1, 2, 1, 2}, []float64{1, 2, 3, 4},
			[]*graph.Value{weight("w", []int{2, 1, 1, 2}, 1, 10, 100, 1000)},
			[]int{1, 2, 1, 1}, []float64{21, 4300}},
		{"two groups of two", graph.Conv{Strides: [2]int{1, 1}, Group: 2}, []int{1, 4, 1, 1}, []float64{1, 2, 3, 4},
			[]*graph.Value{weight("w", []int{2, 2, 1, 1}, 1, 10, 100, 1000)},
			[]int{1, 2, 1, 1}, []float64{21, 4300}},
		{"conv of a batch", unit, []int{2, 1, 1, 1}, []float64{3, 5}, []*graph.Value{weight("w", []int{2, 1, 1, 1}, 1, 2)},
			[]int{2, 2, 1, 1}, []float64{3, 6, 5, 10}},
		{"conv whose kernel overhangs", graph.Conv{Strides: [2]int{1, 1}, Pads: [4]int{0, 3, 0, 3}, Group: 1},
			[]int{1, 1, 1, 1}, []float64{2}, []*graph.Value{weight("w", []int{1, 1, 1, 3}, 1, 2, 3)},
			[]int{1, 1, 1, 5}, []float64{0, 6, 4, 2, 0}},
		{"batchnorm", graph.BatchNorm{Epsilon: 1}, []int{1, 2, 1, 2}, []float64{1, 2, 3, 4},
			[]*graph.Value{weight("s", ones(2), 2, 1), weight("b", ones(2), 10, 0), weight("m", ones(2), 1, 3), weight("v", ones(2), 3, 0)},
			[]int{1, 2, 1, 2}, []float64{10, 11, 0, 1}},
		{"batchnorm of vectors", graph.BatchNorm{}, []int{2, 2}, []float64{1, 2, 3, 4},
			[]*graph.Value{weight("s", ones(2), 1, 1), weight("b", ones(2), 0, 0), weight("m", ones(2), 1, 2), weight("v", ones(2), 4, 1)},
			[]int{2, 2}, []float64{0, 0, 1, 2}},
		{"gelu", graph.Gelu{}, []int{6}, []float64{0, 1, -1, 3, -40, nan},
			nil, []int{6}, []float64{0, 0.84134474606854293, -0.15865525393145707, 2.9959503059051097, 0, nan}},
		{"relu", graph.Relu{}, []int{4}, []float64{-1, 2, nan, inf}, nil, []int{4}, []float64{0, 2, nan, inf}},
		{"sigmoid", graph.Sigmoid{}, []int{4}, []float64{0, math.Log(3), -1000, 1000}, nil, []int{4}, []float64{0.5, 0.75, 0, 1}},
		{"add", graph.Add{}, []int{2}, []float64{1, 2}, []*graph.Value{weight("w", ones(2), 10, 20)}, []int{2}, []float64{11, 22}},
		{"add, broadcast", graph.Add{}, []int{2, 1}, []float64{1, 2}, []*graph.Value{weight("w", []int{1, 3}, 10, 20, 30)},
			[]int{2, 3}, []float64{11, 21, 31, 12, 22, 32}},
		{"mul, a gate", graph.Mul{}, []int{2, 2, 1, 2}, []float64{1, 2, 3, 4, 5, 6, 7, 8},
			[]*graph.Value{weight("w", []int{2, 2, 1, 1}, 1, 10, 100, 0)},
			[]int{2, 2, 1, 2}, []float64{1, 2, 30, 40, 500, 600, 0, 0}},
		{"mean", graph.Mean{}, []int{2}, []float64{1, 2}, []*graph.Value{weight("a", ones(2), 3, 4), weight("b", ones(2), 5, 9)},
			[]int{2}, []float64{3, 5}},
		{"global average pool", graph.GlobalAveragePool{}, []int{1, 2, 1, 3}, []float64{1, 2, 6, -1, 0, 1}, nil, []int{1, 2, 1, 1}, []float64{3, 0}},
		{"flatten", graph.Flatten{}, []int{1, 2, 1, 2}, []float64{1, 2, 3, 4}, nil, []int{1, 4}, []float64{1, 2, 3, 4}},
		{"gemm", graph.Gemm{}, []int{2, 2}, []float64{1, 2, 3, 4},
			[]*graph.Value{weight("w", []int{3, 2}, 1, 0, 0, 1, 1, 1), weight("b", ones(3), 0, 10, 100)},
			[]int{2, 3}, []float64{1, 12, 103, 3, 14, 107}},
		{"gemm without bias", graph.Gemm{}, []int{1, 2}, []float64{1, 2}, []*graph.Value{weight("w", []int{1, 2}, 3, 4)}, []int{1, 1}, []float64{11}},
		{"matmul", graph.MatMul{}, []int{2, 1, 2}, []float64{1, 2, 3, 4}, []*graph.Value{weight("w", []int{2, 3}, 1, 2, 3, 10, 20, 30)},
			[]int{2, 1, 3}, []float64{21, 42, 63, 43, 86, 129}},
		{"softmax", graph.Softmax{}, []int{2, 2}, []float64{0, math.Log(3), 1000, 1000}, nil, []int{2, 2}, []float64{0.25, 0.75, 0.5, 0.5}},
		{"transpose", graph.Transpose{Perm: []int{1, 2, 0}}, []int{2, 1, 3}, []float64{1, 2, 3, 4, 5, 6}, nil,
			[]int{1, 3, 2}, []float64{1, 4, 2, 5, 3, 6}},
		{"cast to float32", graph.Cast{To: graph.Float32}, []int{3}, []float64{0.1, 1 + 0x1p-25, 1e300}, nil,
			[]int{3}, []float64{float64(float32(0.1)), 1, inf}},
		{"cast to float16", graph.Cast{To: graph.Float16}, []int{10},
			[]float64{0, 1 + 0x1p-11, 1 + 0x3p-11, 1 + 0x1p-11 + 0x1p-40, 65519, 65520, -1e9, 0x1p-25, 0x3p-25, nan}, nil,
			[]int{10}, []float64{0, 1, 1 + 0x1p-9, 1 + 0x1p-10, 65504, inf, -inf, 0, 0x1p-23, nan}},
		{"cast to int8", graph.Cast{To: graph.Int8}, []int{4}, []float64{1.9, -1.9, 200, -200}, nil, []int{4}, []float64{1, -1, 127, -128}},
		{"quantize, ties and saturation", graph.QuantizeLinear{}, []int{7}, []float64{1, 3, -1, 5, 1000, -1000, nan},
			[]*graph.Value{weight("s", nil, 2), graph.Weight("z", graph.Uint8Tensor(nil, []uint8{10}))},
			[]int{7}, []float64{10, 12, 10, 12, 255, 0, 0}},
		{"quantize per channel", graph.QuantizeLinear{Axis: 1}, []int{1, 2, 2}, []float64{1, 2, 30, -4000},
			[]*graph.Value{weight("s", ones(2), 1, 10), graph.Weight("z", graph.Int8Tensor(ones(2), []int8{0, 1}))},
			[]int{1, 2, 2}, []float64{1, 2, 4, -128}},
	}
	bools := func(name string, shape []int, v ...bool) *graph.Value {
		return graph.Weight(name, graph.BoolTensor(shape, v))
	}
	tests = append(tests, []test{
		{"sin", graph.Sin{}, []int{3}, []float64{0, math.Pi / 2, inf}, nil, []int{3}, []float64{0, 1, nan}},
		{"cos", graph.Cos{}, []int{3}, []float64{0, math.Pi, inf}, nil, []int{3}, []float64{1, -1, nan}},
		{"floor", graph.Floor{}, []int{4}, []float64{1.5, -1.5, 2, nan}, nil, []int{4}, []float64{1, -2, 2, nan}},
		{"ceil", graph.Ceil{}, []int{4}, []float64{1.5, -1.5, 2, inf}, nil, []int{4}, []float64{2, -1, 2, inf}},
		{"round to even", graph.Round{}, []int{6}, []float64{0.5, 1.5, 2.5, -0.5, -1.5, 2.6}, nil, []int{6}, []float64{0, 2, 2, 0, -2, 3}},
		{"sign", graph.Sign{}, []int{5}, []float64{-3, 0, 0.1, -inf, nan}, nil, []int{5}, []float64{-1, 0, 1, -1, nan}},
		{"pow", graph.Pow{}, []int{4}, []float64{3, 4, -2, -8}, []*graph.Value{weight("e", ones(4), 2, 0.5, 3, 0.5)}, []int{4}, []float64{9, 2, -8, nan}},
		{"max, broadcast", graph.Max{}, []int{2, 1}, []float64{1, nan}, []*graph.Value{weight("w", ones(2), 0, 3)}, []int{2, 2}, []float64{1, 3, nan, nan}},
		{"min", graph.Min{}, []int{3}, []float64{1, -inf, 2}, []*graph.Value{weight("w", ones(3), 0, 3, float32(nan))}, []int{3}, []float64{0, -inf, nan}},
		{"equal", graph.Equal{}, []int{3}, []float64{1, 2, nan}, []*graph.Value{weight("w", ones(3), 1, 3, float32(nan))}, []int{3}, []float64{1, 0, 0}},
		{"greater", graph.Greater{}, []int{4}, []float64{1, 2, 3, nan}, []*graph.Value{weight("w", ones(1), 2)}, []int{4}, []float64{0, 0, 1, 0}},
		{"less", graph.Less{}, []int{4}, []float64{1, 2, 3, nan}, []*graph.Value{weight("w", ones(1), 2)}, []int{4}, []float64{1, 0, 0, 0}},
		{"where", graph.Where{}, nil, nil, []*graph.Value{bools("a", []int{2, 1}, true, false), weight("x", ones(2), 1, 2), weight("y", []int{}, 5)}, []int{2, 2}, []float64{1, 2, 5, 5}},
		{"not", graph.Not{}, nil, nil, []*graph.Value{bools("b", ones(2), true, false)}, []int{2}, []float64{0, 1}},
		{"and", graph.And{}, nil, nil, []*graph.Value{bools("a", []int{2, 1}, true, false), bools("b", ones(2), true, false)}, []int{2, 2}, []float64{1, 0, 0, 0}},
		{"or", graph.Or{}, nil, nil, []*graph.Value{bools("a", []int{2, 1}, true, false), bools("b", ones(2), true, false)}, []int{2, 2}, []float64{1, 1, 1, 0}},
		{"sum over the first axis", graph.ReduceSum{Axes: []int{-2}}, []int{2, 3}, []float64{1, 2, 3, 4, 5, 6}, nil, []int{3}, []float64{5, 7, 9}},
		{"sum over two axes", graph.ReduceSum{Axes: []int{-3, -1}, KeepDims: true}, []int{2, 2, 2}, []float64{1, 2, 3, 4, 5, 6, 7, 8}, nil, []int{1, 2, 1}, []float64{14, 22}},
		{"mean", graph.ReduceMean{Axes: []int{-1}}, []int{2, 2}, []float64{1, 2, 3, 5}, nil, []int{2}, []float64{1.5, 4}},
		{"product", graph.ReduceProd{Axes: []int{-1}}, []int{2, 2}, []float64{2, 3, -1, 4}, nil, []int{2}, []float64{6, -4}},
		{"largest", graph.ReduceMax{Axes: []int{-1}}, []int{3, 2}, []float64{2, 3, -1, -4, inf, nan}, nil, []int{3}, []float64{3, -1, nan}},
		{"smallest", graph.ReduceMin{Axes: []int{-1}}, []int{3, 2}, []float64{2, 3, -1, -4, -inf, nan}, nil, []int{3}, []float64{2, -4, nan}},
		{"argmax", graph.ArgMax{Axis: -1}, []int{3, 3}, []float64{1, 5, 5, nan, 9, nan, -1, -2, -1}, nil, []int{3}, []float64{1, 0, 0}},
		{"argmax, the last", graph.ArgMax{Axis: -1, KeepDims: true, SelectLastIndex: true}, []int{3, 3}, []float64{1, 5, 5, nan, 9, nan, -1, -2, -1}, nil, []int{3, 1}, []float64{2, 2, 2}},
		{"layer normalisation", graph.LayerNorm{Axes: []int{-1}, Epsilon: 3}, []int{2, 2}, []float64{1, 3, 5, 5}, []*graph.Value{weight("s", ones(2), 2, 4), weight("b", ones(2), 0, 10)}, []int{2, 2}, []float64{-1, 12, 0, 10}},
		{"layer normalisation of channels", graph.LayerNorm{Axes: []int{-3}, Epsilon: 3}, []int{1, 2, 1, 2}, []float64{1, 5, 3, 5}, []*graph.Value{weight("s", []int{2, 1, 1}, 2, 4)}, []int{1, 2, 1, 2}, []float64{-1, 0, 2, 0}},
	}...)
	for _, c := range tests {
		t.Run(c.name, func(t *testing.T) {
			var x *graph.Tensor
			if c.x != nil {
				x = graph.Float64Tensor(c.shape, c.x)
			}
			y := apply(t, c.op, x, c.weights...)
			if !slices.Equal(y.Shape, c.out) || !slices.EqualFunc(y.Float64s(), c.want, near) {
				t.Errorf("found %v %v, want %v %v", y.Shape, y.Float64s(), c.out, c.want)
			}
		})
	}
}

func TestDequantize(t *testing.T) {
	in := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 1)}}
	g := &graph.Graph{Inputs: []*graph.Value{in}}
	w := g.Add("w", graph.DequantizeLinear{Axis: 0}, graph.Weight("q", graph.Int8Tensor([]int{2, 1}, []int8{-3, 100})),
		weight("s", []int{2}, 0.5, 2), graph.Weight("z", graph.Int8Tensor([]int{2}, []int8{0, -1})))
	b := g.Add("b", graph.DequantizeLinear{}, graph.Weight("qb", graph.Int32Tensor([]int{2}, []int32{1 << 20, -7})),
		weight("sb", nil, 0.25), graph.Weight("zb", graph.Int32Tensor(nil, []int32{0})))
	g.Outputs = []*graph.Value{g.Add("y", graph.Gemm{}, in, w, b)}
	n, err := New(g, 0)
	if err != nil {
		t.Fatal(err)
	}
	y, err := n.Run(t.Context(), f32([]int{1, 1}, 2))
	if err != nil {
		t.Fatal(err)
	}
	if want := []float64{-3 + 1<<18, 404 - 1.75}; !slices.Equal(y.Float64s(), want) {
		t.Errorf("found %v, want %v", y.Float64s(), want)
	}
}

// Rounding to half precision agrees with package graph's for all that float32 can hold.
func TestFloat16(t *testing.T) {
	for b := uint64(0); b < 1<<32; b += 9973 {
		f := math.Float32frombits(uint32(b))
		got, want := toFloat16(float64(f)), float64(graph.Float16To32(graph.Float16From32(f)))
		if got != want && !(math.IsNaN(got) && math.IsNaN(want)) {
			t.Fatalf("%g: found %g, want %g", f, got, want)
		}
	}
}

func TestEveryOperatorHasAFormula(t *testing.T) {
	for _, op := range graph.Ops() {
		if operators[op.Kind()].run == nil {
			t.Errorf("package reference has no formula for the operator %s", op.Kind())
		}
	}
	if len(operators) != len(graph.Ops()) {
		t.Errorf("%d operators have formulas, graph.Ops has %d", len(operators), len(graph.Ops()))
	}
}
