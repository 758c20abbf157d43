package graph

import (
	"errors"
	"math"
	"strings"
	"testing"
)

func dims(d ...any) Shape {
	var s Shape
	for _, x := range d {
		switch x := x.(type) {
		case int:
			s = append(s, Fixed(x))
		case string:
			s = append(s, Symbol(x))
		case Dim:
			s = append(s, x)
		}
	}
	return s
}

func f32(d ...any) Type { return Type{Float32, dims(d...)} }

// TestInfer derives the output type of single operators.
func TestInfer(t *testing.T) {
	i8, u8, i32, f16 := Int8, Uint8, Int32, Float16
	with := func(d DType, x ...any) Type { return Type{d, dims(x...)} }
	const unsupported = "unsupported"
	for _, c := range []struct {
		op   Op
		in   []Type
		want string // the output's type, "" for an error, or unsupported
	}{
		{Conv{Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, Group: 1}, []Type{f32("n", 3, 224, 225), f32(8, 3, 3, 3)}, "float32 n×8×112×113"},
		{Conv{Strides: [2]int{2, 1}, Pads: [4]int{0, 1, 2, 3}, Group: 1}, []Type{f32(1, 3, 9, 9), f32(8, 3, 3, 5), f32(8)}, "float32 1×8×5×9"},
		{Conv{Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, Group: 3}, []Type{f32(1, 3, "h", "w"), f32(6, 1, 3, 3)}, "float32 1×6×ceil(h/2)×ceil(w/2)"},
		{Conv{Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, Group: 1}, []Type{f32(1, 3, Dim{Sym: "h", Div: 2}, 5), f32(6, 3, 3, 3)}, "float32 1×6×ceil(h/4)×3"},
		{Conv{Strides: [2]int{1, 1}, Pads: [4]int{1, 1, 1, 1}, Group: 1}, []Type{f32(1, 3, "h", "w"), f32(6, 3, 3, 3)}, "float32 1×6×h×w"},
		{Conv{Strides: [2]int{1, 1}, Pads: [4]int{}, Group: 1}, []Type{f32(1, 3, "h", "w"), f32(6, 3, 3, 3)}, "float32 1×6×?×?"},
		{Conv{Strides: [2]int{1, 1}, Pads: [4]int{}, Group: 1}, []Type{f32(1, Dim{Div: 1}, 4, 4), f32(6, 3, 1, 1)}, "float32 1×6×4×4"},
		{Conv{Strides: [2]int{1, 1}, Pads: [4]int{}, Group: 1}, []Type{f32(1, 4, 4, 4), f32(6, 3, 1, 1)}, ""},
		{Conv{Strides: [2]int{1, 1}, Pads: [4]int{}, Group: 1}, []Type{f32(1, 3, 2, 2), f32(6, 3, 3, 3)}, ""},
		{Conv{Strides: [2]int{1, 1}, Pads: [4]int{}, Group: 4}, []Type{f32(1, 12, 2, 2), f32(6, 3, 1, 1)}, ""},
		{Conv{Strides: [2]int{1, 1}, Pads: [4]int{}, Group: 0}, []Type{f32(1, 3, 2, 2), f32(6, 3, 1, 1)}, ""},
		{Conv{Strides: [2]int{0, 1}, Pads: [4]int{}, Group: 1}, []Type{f32(1, 3, 2, 2), f32(6, 3, 1, 1)}, ""},
		{Conv{Strides: [2]int{1, 1}, Pads: [4]int{-1}, Group: 1}, []Type{f32(1, 3, 2, 2), f32(6, 3, 1, 1)}, ""},
		{Conv{Strides: [2]int{1, 1}, Pads: [4]int{math.MaxInt, 0, math.MaxInt}, Group: 1}, []Type{f32(1, 3, 2, 2), f32(6, 3, 1, 1)}, ""},
		{Conv{Strides: [2]int{1, 1}, Pads: [4]int{}, Group: 1}, []Type{f32(1, 3, 2, 2), f32(6, 3, 1, 1), f32(5)}, ""},
		{Conv{Strides: [2]int{1, 1}, Pads: [4]int{}, Group: 1}, []Type{f32(1, 3, 2, 2), f32(6, 3, 0, 1)}, ""},
		{Conv{Strides: [2]int{1, 1}, Pads: [4]int{}, Group: 1}, []Type{f32(1, 3, 2, 2), with(f16, 6, 3, 1, 1)}, ""},
		{Conv{Strides: [2]int{1, 1}, Pads: [4]int{}, Group: 1}, []Type{f32(3, 2, 2), f32(6, 3, 1, 1)}, unsupported},
		{BatchNorm{1e-5}, []Type{f32("n", 4, "h", 2), f32(4), f32(4), f32(4), f32(4)}, "float32 n×4×h×2"},
		{BatchNorm{1e-5}, []Type{f32("n", 4), f32(4), f32(4), f32(4), f32(4)}, "float32 n×4"},
		{BatchNorm{1e-5}, []Type{f32("n", 4), f32(4), f32(4), f32(4), f32(5)}, ""},
		{BatchNorm{1e-5}, []Type{f32("n", 4, 2), f32(4), f32(4), f32(4), f32(4)}, unsupported},
		{Gelu{}, []Type{f32("n", 4)}, "float32 n×4"},
		{Gelu{}, []Type{with(i8, 4)}, unsupported},
		{Relu{}, []Type{f32(), f32()}, ""},
		{Sigmoid{}, []Type{with(f16, 4)}, "float16 4"},
		{Softmax{}, []Type{f32("n", 4)}, "float32 n×4"},
		{Softmax{}, []Type{f32(4)}, "float32 4"},
		{Softmax{Axis: -3}, []Type{f32("n", 4, 5)}, "float32 n×4×5"},
		{Softmax{Axis: -4}, []Type{f32("n", 4, 5)}, ""},
		{Softmax{Axis: 1}, []Type{f32("n", 4, 5)}, ""},
		{Softmax{}, []Type{f32()}, ""},
		{Add{}, []Type{f32("n", 4, "h", "w"), f32("n", 4, "h", "w")}, "float32 n×4×h×w"},
		{Add{}, []Type{f32("n", 4, "h", 3), f32("m", 4, "h", "w")}, "float32 ?×4×h×3"},
		{Add{}, []Type{f32(1, 4), f32(1, 5)}, ""},
		{Add{}, []Type{f32(1, 4), f32(4)}, "float32 1×4"},
		{Add{}, []Type{f32(4), f32("n", 3, 1)}, "float32 n×3×4"},
		{Add{}, []Type{f32(4), f32("n", 3, 5)}, ""},
		{Mul{}, []Type{f32("n", 4, "h", "w"), f32("n", 4, 1, 1)}, "float32 n×4×h×w"},
		{Mul{}, []Type{f32(1, 1), f32(3, 5)}, "float32 3×5"},
		{Mul{}, []Type{f32(1), with(f16, 1)}, ""},
		{Mean{}, []Type{f32("n", 4), f32("n", 4), f32("n", 4)}, "float32 n×4"},
		{Mean{}, []Type{f32("n", 4), f32("n", 5)}, ""},
		{Mean{}, []Type{f32("n", 4), f32("n", 1)}, unsupported},
		{Mean{}, nil, ""},
		{GlobalAveragePool{}, []Type{f32("n", 4, "h", "w")}, "float32 n×4×1×1"},
		{GlobalAveragePool{}, []Type{f32("n", 4)}, unsupported},
		{Flatten{}, []Type{f32("n", 4, 2, 3)}, "float32 n×24"},
		{Flatten{}, []Type{f32("n", 4, "h", 3)}, "float32 n×?"},
		{Flatten{}, []Type{f32("n", math.MaxInt, 2, 3)}, ""},
		{Gemm{}, []Type{f32("n", 4), f32(7, 4), f32(7)}, "float32 n×7"},
		{Gemm{}, []Type{f32("n", Dim{Div: 1}), f32(7, 4)}, "float32 n×7"},
		{Gemm{}, []Type{f32("n", 5), f32(7, 4)}, ""},
		{Gemm{}, []Type{f32("n", 4), f32(7, 4), f32(4)}, ""},
		{Gemm{}, []Type{f32("n", 4), f32(7, 4), f32(1)}, unsupported},
		{Gemm{}, []Type{f32("n", 4), f32(7, 4), f32()}, unsupported},
		{MatMul{}, []Type{f32("n", 5, 4), f32(2, 4, 7)}, "float32 2×5×7"},
		{MatMul{}, []Type{f32("n", 1, 5, 4), f32(3, 4, 7)}, "float32 n×3×5×7"},
		{MatMul{}, []Type{f32(3, 5, 4), f32(2, 4, 7)}, ""},
		{MatMul{}, []Type{f32(4), f32(4, 7)}, unsupported},
		{MatMul{}, []Type{f32(4), f32(4, 7)}, unsupported},
		{Conv{Strides: [2]int{1, 1}, Pads: [4]int{}, Group: 1}, []Type{f32(1, 3, 2, 2), f32("n", 3, 1, 1)}, unsupported},
		{MatMul{}, []Type{f32("n", 5, 4), f32(4, 7)}, "float32 n×5×7"},
		{MatMul{}, []Type{f32("n", 5, 4), f32(7, 4)}, ""},
		{Cast{Float16}, []Type{f32("n", 4)}, "float16 n×4"},
		{Cast{}, []Type{f32("n", 4)}, ""},
		{Transpose{[]int{0, 2, 3, 1}}, []Type{f32("n", 4, "h", 3)}, "float32 n×h×3×4"},
		{Transpose{[]int{0, 0}}, []Type{f32(3, 4)}, ""},
		{Transpose{[]int{0, 2}}, []Type{f32(3, 4)}, ""},
		{Transpose{[]int{0}}, []Type{f32(3, 4)}, ""},
		{QuantizeLinear{}, []Type{f32("n", 4), f32(), with(u8)}, "uint8 n×4"},
		{QuantizeLinear{1}, []Type{f32("n", 4), f32(4), with(i8, 4)}, "int8 n×4"},
		{QuantizeLinear{1}, []Type{f32("n", 4), f32(5), with(i8, 5)}, ""},
		{QuantizeLinear{2}, []Type{f32("n", 4), f32(4), with(i8, 4)}, ""},
		{QuantizeLinear{}, []Type{f32("n", 4), f32(), with(i32)}, unsupported},
		{QuantizeLinear{}, []Type{f32("n", 4), with(u8), with(u8)}, ""},
		{QuantizeLinear{}, []Type{f32("n", 4), f32(), with(u8, 1)}, ""},
		{DequantizeLinear{}, []Type{with(i8, "n", 4), f32(), with(i8)}, "float32 n×4"},
		{DequantizeLinear{}, []Type{with(i32, 4), f32(4), with(i32, 4)}, "float32 4"},
		{DequantizeLinear{}, []Type{with(i8, 4), f32(), with(u8)}, ""},
	} {
		got, err := c.op.infer(c.in)
		switch {
		case c.want == "" && !errors.Is(err, ErrShape), c.want == unsupported && !errors.Is(err, ErrUnsupported):
			t.Errorf("%s of %v: %v, %v; want an error", c.op.Kind(), c.in, got, err)
		case c.want != "" && c.want != unsupported && (err != nil || got.String() != c.want):
			t.Errorf("%s of %v: %v, %v; want %s", c.op.Kind(), c.in, got, err, c.want)
		}
	}
}

// TestStridedSymbols compares symbolic sizes with the sizes that inference finds for numbers.
func TestStridedSymbols(t *testing.T) {
	g := &Graph{Inputs: []*Value{{Name: "x", Type: &Type{Float32, dims("n", 2, "h", "w")}}}}
	x := g.Inputs[0]
	for i := range 5 {
		x = g.Add("c"+string(rune('0'+i)), Conv{Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, Group: 2},
			x, Weight("w"+string(rune('0'+i)), Float32Tensor([]int{2, 1, 3, 3}, make([]float32, 18))))
	}
	g.Outputs = []*Value{x}
	symbolic, err := g.Infer()
	if err != nil {
		t.Fatal(err)
	}
	for n := 1; n < 200; n++ {
		fixed, err := g.Infer(FixedShape(1, 2, n, 2*n))
		if err != nil {
			t.Fatal(err)
		}
		for v, s := range symbolic {
			if v.Const != nil || v.Type != nil {
				continue
			}
			d := s.Shape[2]
			if want := (n + d.Div - 1) / d.Div; d.Sym != "h" || fixed[v].Shape[2].Size != want {
				t.Fatalf("%s of %d: %v, want %d by %v", v.Name, n, fixed[v], want, d)
			}
		}
	}
}

func TestInferErrors(t *testing.T) {
	g := small()
	for _, c := range []struct {
		shapes []Shape
		want   string
	}{
		{[]Shape{FixedShape(1, 3, 8, 8), FixedShape(1)}, "2 shapes for 1 inputs"},
		{[]Shape{FixedShape(1, 4, 8, 8)}, `input "x": `},
		{[]Shape{FixedShape(1, 3, 0, 8)}, `input "x": `},
		{[]Shape{FixedShape(1, 3, 8)}, `input "x": `},
		{[]Shape{FixedShape(1, 3, 1, 1)}, "y (Conv): "},
	} {
		if _, err := g.Infer(c.shapes...); !errors.Is(err, ErrShape) || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%v: %v, want %q", c.shapes, err, c.want)
		}
	}
	if types, err := g.Infer(dims("images", 3, 9, "w")); err != nil || types[g.Outputs[0]].String() != "float32 images×4×1×1" {
		t.Errorf("%v, %v", types[g.Outputs[0]], err)
	}
}

func TestStrings(t *testing.T) {
	for _, c := range []struct{ got, want string }{
		{Fixed(7).String(), "7"}, {Symbol("n").String(), "n"}, {Dim{Div: 1}.String(), "?"}, {Dim{Sym: "h", Div: 8}.String(), "ceil(h/8)"},
		{Float16.String(), "float16"}, {DType(0).String(), "dtype(0)"}, {DType(99).String(), "dtype(99)"},
		{f32("n", 3).String(), "float32 n×3"}, {Type{Float32, nil}.String(), "float32 "},
	} {
		if c.got != c.want {
			t.Errorf("%q, want %q", c.got, c.want)
		}
	}
	if DType(0).Valid() || DType(0).Size() != 0 || !Int64.Valid() || Int64.Size() != 8 || Int8.IsFloat() || !Float16.IsFloat() {
		t.Error("types")
	}
	if _, known := dims(1, "n").Ints(); known {
		t.Error("a symbol is known")
	}
}

func TestTimes(t *testing.T) {
	for _, c := range []struct {
		d    Dim
		n    int
		want string
	}{
		{Fixed(7), 2, "14"},
		{Dim{Div: 1}, 2, "?"},
		{Symbol("h"), 1, "h"},
		{Symbol("h"), 2, "2*h"},
		{Dim{Sym: "h", Div: 16}, 2, "ceil(h/8)"},
		{Dim{Sym: "h", Div: 4}, 4, "h"},
		{Dim{Sym: "h", Div: 2}, 4, "2*h"},
		{Dim{Sym: "h", Div: 3}, 2, "2*ceil(h/3)"},
		{Dim{Sym: "h", Div: 1, Mul: 2}, 3, "6*h"},
	} {
		if got := c.d.Times(c.n).String(); got != c.want {
			t.Errorf("%d times %v: %s, want %s", c.n, c.d, got, c.want)
		}
	}
}
