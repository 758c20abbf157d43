package infer_test

import (
	"context"
	"errors"
	"math"
	"slices"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/optest"
	"github.com/repvit-go/repvit/verify/reference"
)

// sized is a graph whose output's size is what an input says.
func sized() *graph.Graph {
	g := &graph.Graph{Inputs: []*graph.Value{
		{Name: "masks", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{graph.Symbol("batch"), graph.Fixed(optest.Channels), graph.Fixed(6), graph.Fixed(6)}}},
		{Name: "size", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(2)}},
	}}
	g.Outputs = []*graph.Value{g.Add("y", graph.PostprocessMasks{Size: 24}, g.Inputs...)}
	return g
}

func TestSizesFromValues(t *testing.T) {
	g := sized()
	s, err := infer.New(g, infer.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := reference.New(sized(), 1)
	if err != nil {
		t.Fatal(err)
	}
	x := optest.Input([]int{2, optest.Channels, 6, 6})
	for _, size := range [][]float32{{17, 41}, {41, 17}, {17, 41}, {24, 24}, {1, 1}, {3, 24}, {100, 7}} {
		in := []*graph.Tensor{x, graph.Float32Tensor([]int{2}, size)}
		got, err := s.RunInputs(context.Background(), in)
		if err != nil {
			t.Fatalf("%v: %v", size, err)
		}
		want, err := r.RunInputs(context.Background(), in)
		if err != nil {
			t.Fatalf("%v: %v", size, err)
		}
		if shape := []int{2, optest.Channels, int(size[0]), int(size[1])}; !slices.Equal(got[0].Shape, shape) || !slices.Equal(want[0].Shape, shape) {
			t.Fatalf("%v: shapes %v and %v, want %v", size, got[0].Shape, want[0].Shape, shape)
		}
		a, b := got[0].Float64s(), want[0].Float64s()
		for i := range a {
			if math.Abs(a[i]-b[i]) > 1e-5 {
				t.Fatalf("%v: element %d is %v, want %v", size, i, a[i], b[i])
			}
		}
	}
	for _, size := range [][]float32{{0, 5}, {5, -1}, {2.5, 4}, {float32(math.NaN()), 3}, {3, float32(math.Inf(1))}, {1e9, 2}} {
		in := []*graph.Tensor{x, graph.Float32Tensor([]int{2}, size)}
		if _, err := s.RunInputs(context.Background(), in); !errors.Is(err, graph.ErrShape) {
			t.Errorf("%v: error %v, want ErrShape", size, err)
		}
		if _, err := r.RunInputs(context.Background(), in); !errors.Is(err, graph.ErrShape) {
			t.Errorf("%v: error %v of the reference, want ErrShape", size, err)
		}
	}
	// The image is one pixel high, of which nothing is left.
	in := []*graph.Tensor{x, graph.Float32Tensor([]int{2}, []float32{1, 100})}
	if _, err := s.RunInputs(context.Background(), in); !errors.Is(err, graph.ErrUnsupported) {
		t.Errorf("1×100: error %v, want ErrUnsupported", err)
	}
}

func TestSizesComeFromInputsOnly(t *testing.T) {
	g := sized()
	g.Outputs = nil
	g.Nodes = nil
	size := g.Add("half", graph.Mul{}, g.Inputs[1], graph.Weight("w", graph.Float32Tensor([]int{}, []float32{0.5})))
	g.Outputs = []*graph.Value{g.Add("y", graph.PostprocessMasks{Size: 24}, g.Inputs[0], size)}
	if err := g.Validate(); !errors.Is(err, graph.ErrUnsupported) {
		t.Errorf("error %v, want ErrUnsupported", err)
	}
}

// TestFoldsReductionsOfConstants: what a reduction of a computed constant costs is known.
func TestFoldsReductionsOfConstants(t *testing.T) {
	x := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 2)}}
	g := &graph.Graph{Inputs: []*graph.Value{x}}
	v := g.Add("square", graph.Mul{}, graph.Weight("a", graph.Float32Tensor([]int{1, 2}, []float32{2, 3})), graph.Weight("b", graph.Float32Tensor([]int{}, []float32{2})))
	g.Outputs = []*graph.Value{g.Add("y", graph.Add{}, x, g.Add("sum", graph.ReduceSum{Axes: []int{-1}, KeepDims: true}, v))}
	s, err := infer.New(g, infer.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	y, err := s.Run(context.Background(), graph.Float32Tensor([]int{1, 2}, []float32{1, 2}))
	if err != nil || !slices.Equal(y.Float32s(), []float32{11, 12}) {
		t.Errorf("got %v, %v, want 11 and 12", y, err)
	}
}
