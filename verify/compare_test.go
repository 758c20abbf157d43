package verify

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/reparam"
)

var (
	inf = math.Inf(1)
	nan = math.NaN()
)

func TestTolerance(t *testing.T) {
	tol := Tolerance{Abs: 0.5, Rel: 0.25}
	for _, c := range []struct {
		got, want float64
		within    bool
	}{
		{1, 1, true}, {1.75, 1, true}, {1.7500001, 1, false}, {0.25, 1, true}, {0.2499, 1, false},
		{0.5, 0, true}, {-0.5, 0, true}, {0.51, 0, false}, {-1.75, -1, true},
		{nan, 1, false}, {1, nan, false}, {nan, nan, false},
		{inf, inf, true}, {-inf, -inf, true}, {inf, -inf, false}, {1, inf, false}, {inf, 1, false},
	} {
		if tol.Within(c.got, c.want) != c.within {
			t.Errorf("%v within tolerance of %v: %v, want %v", c.got, c.want, !c.within, c.within)
		}
	}
}

func TestCompare(t *testing.T) {
	row := func(v ...float64) *graph.Tensor { return graph.Float64Tensor([]int{1, len(v)}, v) }
	tests := []struct {
		name      string
		got, want *graph.Tensor
		result    Comparison
	}{
		{"same", row(1, 2, 3), row(1, 2, 3), Comparison{Equal: true, Top1Agree: 1}},
		{"different", row(3, 0), row(0, 4), Comparison{MaxAbs: 4, RelL2: 1.25}},
		{"by one row of two", graph.Float64Tensor([]int{2, 2}, []float64{0, 1, 0, 1}), graph.Float64Tensor([]int{2, 2}, []float64{0, 1, 1, 0}),
			Comparison{MaxAbs: 1, RelL2: 1, Top1Agree: 0.5}},
		{"float32 against float64", graph.Float32Tensor([]int{1, 1}, []float32{0.5}), row(0.5), Comparison{Equal: true, Top1Agree: 1}},
		{"without batch axis", graph.Float64Tensor([]int{2}, []float64{1, 2}), row(1, 2), Comparison{Equal: true, Top1Agree: 1}},
		{"a batch of one class", graph.Float64Tensor([]int{2}, []float64{1, 2}), graph.Float64Tensor([]int{2, 1}, []float64{1, 2}),
			Comparison{Equal: true, Top1Agree: 1}},
		{"ties go to the first", row(1, 1), row(1, 0.99999), Comparison{Equal: true, MaxAbs: 1 - 0.99999, RelL2: (1 - 0.99999) / math.Sqrt(1+0.99999*0.99999), Top1Agree: 1}},
		{"nan", row(nan, 1), row(nan, 1), Comparison{MaxAbs: inf, RelL2: inf, Top1Agree: 1}},
		{"nothing but nan", row(nan, nan), row(nan, nan), Comparison{MaxAbs: inf, RelL2: inf}},
		{"zeros wanted", row(1), row(0), Comparison{MaxAbs: 1, RelL2: inf, Top1Agree: 1}},
	}
	same := func(a, b float64) bool { return a == b || math.IsNaN(a) || math.Abs(a-b) < 1e-15 }
	for _, c := range tests {
		got, err := Compare(c.got, c.want, DefaultTolerance)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		if c.name == "nan" || c.name == "nothing but nan" {
			got.RelL2 = c.result.RelL2 // infinite noise over any signal
		}
		if got.Equal != c.result.Equal || !same(got.MaxAbs, c.result.MaxAbs) || !same(got.RelL2, c.result.RelL2) || got.Top1Agree != c.result.Top1Agree {
			t.Errorf("%s: found %+v, want %+v", c.name, got, c.result)
		}
	}
	if _, err := Compare(row(1, 2), row(1, 2, 3), DefaultTolerance); !errors.Is(err, graph.ErrShape) {
		t.Errorf("other shapes: %v", err)
	}
}

// TestBoundary: what is as far away as the tolerance allows is equal, and what is a little
// further is not.
func TestBoundary(t *testing.T) {
	for _, c := range []struct {
		tol   Tolerance
		want  []float64
		bound float64 // by which the first may be off
	}{
		{Tolerance{Abs: 0.5}, []float64{2, 64}, 0.5},
		{Tolerance{Abs: 0.5, Rel: 0.25}, []float64{2, 64}, 1},
		{Tolerance{Abs: 0.5, Rel: 0.25, Scaled: true}, []float64{2, 64}, 32.5},
		{Tolerance{Abs: 0.5, Rel: 0.25, Scaled: true}, []float64{0, 0.125}, 0.5},
		{Tolerance{Abs: 0.5, Rel: 0.25, Scaled: true}, []float64{-2, -64}, 32.5},
		{Tolerance{}, []float64{2, 64}, 0},
	} {
		want := graph.Float64Tensor([]int{1, 2}, c.want)
		for _, sign := range []float64{-1, 1} {
			at := c.want[0] + sign*c.bound
			for got, equal := range map[float64]bool{at: true, at + sign*1e-9: false} {
				r, err := Compare(graph.Float64Tensor([]int{1, 2}, []float64{got, c.want[1]}), want, c.tol)
				if err != nil {
					t.Fatal(err)
				}
				if r.Equal != equal {
					t.Errorf("%v: %v and %v equal: %v, want %v", c.tol, got, c.want[0], r.Equal, equal)
				}
			}
		}
	}
	// A signal of 3² + 1² against a noise of 1 are 10 dB.
	want := graph.Float64Tensor([]int{1, 2}, []float64{3, 1})
	for got, verdict := range map[float64]quant.Verdict{2: quant.Noticeable, 2 + 1e-9: quant.Unusable, 1.1: quant.Good} {
		r, err := Compare(graph.Float64Tensor([]int{1, 2}, []float64{3, got}), want, Int8Tolerance)
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != verdict || r.Equal != (verdict != quant.Unusable) {
			t.Errorf("%v for 1: %.9f dB, %s, equal: %v", got, r.SQNR, r.Verdict, r.Equal)
		}
	}
}

func TestToleranceFor(t *testing.T) {
	deploy := reparam.Fuse(checkpoint(t, "v2_release.pth"))
	int8, _, err := quant.Quantize(context.Background(), nil, deploy, []*graph.Tensor{random(t, 2, 3, 64, 64)}, [2]int{}, quant.Options{})
	if err != nil {
		t.Fatal(err)
	}
	half := quant.Half(deploy)
	for _, c := range []struct {
		graphs []*graph.Graph
		want   Tolerance
	}{
		{nil, DefaultTolerance}, {[]*graph.Graph{deploy}, DefaultTolerance}, {[]*graph.Graph{checkpoint(t, "v2_fp16.pth")}, DefaultTolerance},
		{[]*graph.Graph{half}, HalfTolerance}, {[]*graph.Graph{deploy, half}, HalfTolerance}, {[]*graph.Graph{half, int8}, Int8Tolerance},
		{[]*graph.Graph{int8, deploy}, Int8Tolerance},
	} {
		if got := ToleranceFor(c.graphs...); got != c.want {
			t.Errorf("found %v, want %v", got, c.want)
		}
	}
}

func TestMadeInput(t *testing.T) {
	n := quant.MadeImages([]int{0, 3, 32, 32})
	all, err := MadeInput(context.Background(), []int{n + 1, 3, 32, 32})
	if err != nil {
		t.Fatal(err)
	}
	two, err := MadeInput(context.Background(), []int{2, 3, 32, 32})
	if err != nil {
		t.Fatal(err)
	}
	if n < 8 || !slices.Equal(two.Float32s(), all.Slice(0, 2).Float32s()) || !slices.Equal(all.Slice(0, 1).Float32s(), all.Slice(n, n+1).Float32s()) {
		t.Errorf("%v and %v", all.Shape, two.Shape)
	}
	for _, shape := range [][]int{{2, 3}, {-1, 3, 32, 32}, {math.MaxInt, 3, 32, 32}, {1, math.MaxInt, 32, 32}, {1, 3, 0, 32}, {1, 3, 1 << 20, 1}} {
		if x, err := MadeInput(context.Background(), shape); err == nil {
			t.Errorf("%v: made %v", shape, x.Shape)
		}
	}
}

func TestJSON(t *testing.T) {
	for _, c := range []struct {
		v    any
		want string
	}{
		{Comparison{Equal: true, MaxAbs: 4.5e-6, RelL2: 1e-6, Top1Agree: 1, SQNR: 90},
			`{"equal":true,"max_abs":0.0000045,"rel_l2":0.000001,"top1_agree":1,"first_divergence":null,"sqnr_db":90}`},
		{Comparison{MaxAbs: inf, RelL2: nan, Top1Agree: nan, SQNR: -inf, FirstDivergence: &Divergence{"features.3.token_mixer", 0.02}},
			`{"equal":false,"max_abs":null,"rel_l2":null,"top1_agree":null,"first_divergence":{"value":"features.3.token_mixer","max_abs":0.02},"sqnr_db":null}`},
		{Comparison{Equal: true, SQNR: 12, Verdict: quant.Noticeable, Outputs: []Output{{"stage1", true, 0.5, inf}}, NotCompared: []string{"stage2"}},
			`{"equal":true,"max_abs":0,"rel_l2":0,"top1_agree":0,"first_divergence":null,"sqnr_db":12,"verdict":"noticeable",` +
				`"outputs":[{"name":"stage1","equal":true,"max_abs":0.5,"rel_l2":null}],"not_compared":["stage2"]}`},
		{Layer{Value: "v", Kind: "Conv", MaxAbs: 1, RelL2: 2, SQNR: -inf, Scale: 3},
			`{"value":"v","kind":"Conv","max_abs":1,"rel_l2":2,"sqnr_db":null}`},
	} {
		got, err := json.Marshal(c.v)
		if err != nil || string(got) != c.want {
			t.Errorf("found %s (%v), want %s", got, err, c.want)
		}
	}
}

func TestRank(t *testing.T) {
	v := []float64{1, nan, 3, 3, inf, -inf, nan}
	var got []int
	for i := range v {
		got = append(got, Rank(v, i))
	}
	if want := []int{3, 5, 1, 2, 0, 4, 6}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	for i, want := range map[int][]float64{4: v, 0: {1, 1}, 1: {nan, 1}, -1: {nan}} {
		if k := Top1(want); k != i {
			t.Errorf("top-1 of %v is %d, want %d", want, k, i)
		}
	}
}

func TestSQNR(t *testing.T) {
	vector := func(v ...float64) *graph.Tensor { return graph.Float64Tensor([]int{len(v)}, v) }
	d := measure(vector(9, 0), vector(10, 0))
	if got := d.SQNR(); got != 20 {
		t.Errorf("found %v dB, want 20", got)
	}
	if got := measure(vector(1), vector(1)).SQNR(); got != inf {
		t.Errorf("found %v dB for the same values, want infinite", got)
	}
}

// TestLarge compares more numbers than are looked at at a time; each of them counts.
func TestLarge(t *testing.T) {
	want := random(t, 3, 20001)
	for _, i := range []int{0, 16383, 16384, 60002} {
		v := slices.Clone(want.Float32s())
		v[i]++
		c, err := Compare(graph.Float32Tensor(want.Shape, v), want, DefaultTolerance)
		if err != nil || c.Equal || math.Abs(c.MaxAbs-1) > 1e-6 {
			t.Errorf("element %d: %+v, %v", i, c, err)
		}
		v[i] = float32(math.NaN())
		if allFinite(graph.Float32Tensor(want.Shape, v)) {
			t.Errorf("element %d: a NaN is not found", i)
		}
	}
	if c, err := Compare(want, want, DefaultTolerance); err != nil || !c.Equal || c.SQNR != inf {
		t.Errorf("%+v, %v", c, err)
	}
}

func TestRandomInput(t *testing.T) {
	x := random(t, 1, 3, 64, 64)
	var sum, squares float64
	for _, v := range x.Float64s() {
		sum += v
		squares += v * v
	}
	n := float64(x.Len())
	if mean, variance := sum/n, squares/n; math.Abs(mean) > 0.05 || math.Abs(variance-1) > 0.05 {
		t.Errorf("mean %v, variance %v", mean, variance)
	}
	// The first numbers, to notice if they ever change.
	if got, want := x.Float32s()[:3], []float32{-0.05378586, -0.5692295, 1.1511327}; !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	for _, shape := range [][]int{{-1}, {1 << 20, 1 << 20}} {
		if _, err := RandomInput(shape, 0); !errors.Is(err, graph.ErrShape) {
			t.Errorf("%v: %v", shape, err)
		}
	}
}

func TestFit(t *testing.T) {
	g := &graph.Graph{Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1)}}}}
	for _, d := range []graph.DType{graph.Float16, graph.Float32, graph.Float64} {
		g.Inputs[0].Type.DType = d
		for _, x := range []*graph.Tensor{
			graph.Float32Tensor([]int{1}, []float32{0.1}).Half(), graph.Float32Tensor([]int{1}, []float32{0.1}), graph.Float64Tensor([]int{1}, []float64{0.1}),
		} {
			y, err := Fit(g, x)
			if err != nil || y.DType != d || math.Abs(y.Float64s()[0]-0.1) > 1e-4 {
				t.Errorf("%v for %v: %v, %v", x.DType, d, y, err)
			}
		}
	}
	for _, x := range []*graph.Tensor{nil, graph.Int8Tensor([]int{1}, []int8{1})} {
		if _, err := Fit(g, x); !errors.Is(err, graph.ErrShape) {
			t.Errorf("%v: %v", x, err)
		}
	}
}
