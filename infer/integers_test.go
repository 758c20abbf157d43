package infer

import (
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/verify/reference"
)

// both runs a graph in the engine and in the reference.
func both(t *testing.T, g *graph.Graph, x ...*graph.Tensor) (got, want *graph.Tensor, gotErr, wantErr error) {
	t.Helper()
	n, err := reference.New(g, 1)
	if err != nil {
		t.Fatal(err)
	}
	s := open(t, g, Options{Threads: 1})
	one := func(all []*graph.Tensor, err error) (*graph.Tensor, error) {
		if err != nil {
			return nil, err
		}
		return all[0], nil
	}
	got, gotErr = one(s.RunInputs(t.Context(), x))
	want, wantErr = one(n.RunInputs(t.Context(), x))
	return got, want, gotErr, wantErr
}

func input(name string, x *graph.Tensor) *graph.Value {
	return &graph.Value{Name: name, Type: &graph.Type{DType: x.DType, Shape: graph.FixedShape(x.Shape...)}}
}

// Inputs and outputs keep their type, whatever it is.
func TestTypesOfValues(t *testing.T) {
	four := []int{4}
	for _, x := range []*graph.Tensor{
		graph.Int64Tensor(four, []int64{-1 << 24, 1 << 24, 0, -3}), graph.Int32Tensor(four, []int32{-1 << 24, 1 << 24, 7, -3}),
		graph.Int8Tensor(four, []int8{-128, 127, 1, -3}), graph.Uint8Tensor(four, []uint8{0, 255, 7, 3}),
		graph.BoolTensor(four, []bool{true, false, false, true}), graph.Float32Tensor(four, []float32{1.5, -2, 0, 3}),
	} {
		v, y := input("x", x), graph.Weight("y", x.Slice(0, 1))
		c := graph.Weight("c", graph.BoolTensor(four, []bool{true, true, false, true}))
		for _, op := range []graph.Op{graph.Equal{}, graph.Where{}, graph.Max{}, graph.Min{}, graph.Greater{}, graph.Less{}, graph.ReduceMax{Axes: []int{-1}}, graph.ArgMax{Axis: -1}} {
			in := []*graph.Value{v, y}
			switch op.(type) {
			case graph.Where:
				in = append([]*graph.Value{c}, in...)
			case graph.ReduceMax, graph.ArgMax:
				in = in[:1]
			}
			if _, any := op.(graph.Equal); x.DType == graph.Bool && !any && len(in) != 3 {
				continue // one is not larger than another
			}
			g := &graph.Graph{Inputs: []*graph.Value{v}}
			g.Outputs = []*graph.Value{g.Add("out", op, in...)}
			types, err := g.Types()
			if err != nil {
				t.Fatal(err)
			}
			got, want, err1, err2 := both(t, g, x)
			if err := errors.Join(err1, err2); err != nil {
				t.Errorf("%s of %v: %v", op.Kind(), x.DType, err)
				continue
			}
			if d := types[g.Outputs[0]].DType; got.DType != d || !d.IsFloat() && want.DType != d || !slices.Equal(got.Float64s(), want.Float64s()) {
				t.Errorf("%s of %v: %v %v, the reference %v %v, want %v", op.Kind(), x.DType, got.DType, got.Float64s(), want.DType, want.Float64s(), d)
			}
		}
	}
}

// Integers that would be rounded are refused, as inputs and as constants.
func TestIntegersThatAreNotHeld(t *testing.T) {
	one := graph.Int64Tensor([]int{1}, []int64{1})
	for _, test := range []struct {
		x                *graph.Tensor
		engine, accurate bool // whether they hold it
	}{
		{graph.Int64Tensor([]int{1}, []int64{1 << 24}), true, true}, {graph.Int64Tensor([]int{1}, []int64{1<<24 + 1}), false, true},
		{graph.Int64Tensor([]int{1}, []int64{-1<<24 - 1}), false, true}, {graph.Int64Tensor([]int{1}, []int64{-1 << 53}), false, true},
		{graph.Int64Tensor([]int{1}, []int64{1<<53 + 1}), false, false}, {graph.Int64Tensor([]int{1}, []int64{math.MinInt64}), false, false},
	} {
		g := &graph.Graph{Inputs: []*graph.Value{input("x", test.x)}}
		g.Outputs = []*graph.Value{g.Add("y", graph.Max{}, g.Inputs[0], graph.Weight("one", one))}
		_, _, got, want := both(t, g, test.x)
		if (got == nil) != test.engine || got != nil && !errors.Is(got, ErrUnsupported) || (want == nil) != test.accurate || want != nil && !errors.Is(want, ErrUnsupported) {
			t.Errorf("input %v: %v; %v", test.x.Int64s(), got, want)
		}
		c := &graph.Graph{Inputs: []*graph.Value{input("x", one)}}
		c.Outputs = []*graph.Value{c.Add("y", graph.Max{}, c.Inputs[0], graph.Weight("c", test.x))}
		if _, err := New(c, Options{}); (err == nil) != test.engine || err != nil && !errors.Is(err, ErrUnsupported) {
			t.Errorf("constant %v: %v", test.x.Int64s(), err)
		}
		if _, err := reference.New(c, 1); (err == nil) != test.accurate || err != nil && !errors.Is(err, ErrUnsupported) {
			t.Errorf("constant %v: the reference: %v", test.x.Int64s(), err)
		}
	}
}

// Infinities, NaN and zeros come out of the engine as the formulas say.
func TestSpecialNumbers(t *testing.T) {
	inf, nan := float32(math.Inf(1)), float32(math.NaN())
	special := []float32{0, float32(math.Copysign(0, -1)), 1, -1, 0.5, -0.5, 2.5, 3.5, -2.5, inf, -inf, nan}
	n := len(special)
	x := graph.Float32Tensor([]int{n, 1}, special)
	y := graph.Float32Tensor([]int{1, n}, special)
	for _, test := range []struct {
		op       graph.Op
		operands int
	}{
		{graph.Floor{}, 1}, {graph.Ceil{}, 1}, {graph.Round{}, 1}, {graph.Sign{}, 1}, {graph.Sin{}, 1}, {graph.Cos{}, 1}, {graph.Cast{To: graph.Bool}, 1},
		{graph.Max{}, 2}, {graph.Min{}, 2}, {graph.Equal{}, 2}, {graph.Greater{}, 2}, {graph.Less{}, 2}, {graph.Pow{}, 2},
	} {
		in := []*graph.Value{input("x", x), input("y", y)}[:test.operands]
		tensors := []*graph.Tensor{x, y}[:test.operands]
		g := &graph.Graph{Inputs: in}
		g.Outputs = []*graph.Value{g.Add("out", test.op, in...)}
		compareBits(t, test.op.Kind(), g, tensors...)
	}
	// Every triple of them along an axis.
	var rows []float32
	for _, a := range special {
		for _, b := range special {
			for _, c := range special {
				rows = append(rows, a, b, c)
			}
		}
	}
	r := graph.Float32Tensor([]int{n * n * n, 3}, rows)
	for _, op := range []graph.Op{graph.ReduceMax{Axes: []int{-1}}, graph.ReduceMin{Axes: []int{-1}}, graph.ReduceSum{Axes: []int{-1}}, graph.ReduceProd{Axes: []int{-1}},
		graph.ReduceMean{Axes: []int{-1}}, graph.ArgMax{Axis: -1}, graph.ArgMax{Axis: -1, SelectLastIndex: true}} {
		g := &graph.Graph{Inputs: []*graph.Value{input("x", r)}}
		g.Outputs = []*graph.Value{g.Add("out", op, g.Inputs...)}
		compareBits(t, op.Kind(), g, r)
	}
}

// compareBits compares the engine's numbers with those of the reference, rounded to float32.
func compareBits(t *testing.T, what string, g *graph.Graph, x ...*graph.Tensor) {
	t.Helper()
	got, want, err1, err2 := both(t, g, x...)
	if err := errors.Join(err1, err2); err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	w := want.Float32s()
	for i, v := range got.Float32s() {
		if v != w[i] && !(v != v && w[i] != w[i]) {
			t.Errorf("%s: element %d is %v, want %v", what, i, v, w[i])
		}
	}
}
