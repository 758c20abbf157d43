package reference

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/repvit-go/repvit/graph"
)

func tiny(training bool) *graph.Graph {
	return repvit(training, 32, 5, []int{8, 16}, []int{2, 3})
}

func TestSameBitsForAnyThreads(t *testing.T) {
	x := noise(3, 3, 3, 32, 32)
	var want []byte
	for _, threads := range []int{1, 2, 3, 7, 0} {
		n, err := New(tiny(true), threads)
		if err != nil {
			t.Fatal(err)
		}
		y, err := n.Run(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = y.Bytes()
		}
		if !bytes.Equal(y.Bytes(), want) {
			t.Errorf("%d threads give other bits than one", threads)
		}
	}
}

func TestBatchIsImagesAlone(t *testing.T) {
	n, err := New(tiny(true), 2)
	if err != nil {
		t.Fatal(err)
	}
	all, err := n.Run(t.Context(), noise(3, 3, 3, 32, 32))
	if err != nil {
		t.Fatal(err)
	}
	v := noise(3, 3, 3, 32, 32).Float32s()
	for i := range 3 {
		one, err := n.Run(t.Context(), f32([]int{1, 3, 32, 32}, v[i*3*32*32:][:3*32*32]...))
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(one.Float64s(), all.Float64s()[i*5:][:5]) {
			t.Errorf("image %d differs between a batch and alone", i)
		}
	}
}

func TestObserve(t *testing.T) {
	g := tiny(false)
	stage := g.Nodes[5].Output
	g.Outputs = append(g.Outputs, stage)
	n, err := New(g, 1)
	if err != nil {
		t.Fatal(err)
	}
	x := noise(4, 1, 3, 32, 32)
	all, err := n.RunAll(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"input"}
	for _, node := range g.Nodes {
		want = append(want, node.Name())
	}
	var names []string
	seen := map[*graph.Value]*graph.Tensor{}
	err = n.Observe(t.Context(), x, func(v *graph.Value, y *graph.Tensor) error {
		names = append(names, v.Name)
		seen[v] = y
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(names, want) {
		t.Errorf("observed %v, want %v", names, want)
	}
	for i, v := range g.Outputs {
		if !bytes.Equal(seen[v].Bytes(), all[i].Bytes()) {
			t.Errorf("output %s was observed with other bits", v.Name)
		}
	}
	stop := errors.New("stop")
	if err := n.Observe(t.Context(), x, func(*graph.Value, *graph.Tensor) error { return stop }); err != stop {
		t.Errorf("the observer's error came out as %v", err)
	}
}

func TestErrors(t *testing.T) {
	n, err := New(tiny(false), 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, x := range map[string]*graph.Tensor{
		"none":        nil,
		"other size":  noise(1, 1, 3, 31, 32),
		"other rank":  noise(1, 3, 32, 32),
		"integers":    graph.Int8Tensor([]int{1, 3, 32, 32}, make([]int8, 3*32*32)),
		"no elements": {DType: graph.Float32, Shape: []int{1, 3, 32, 32}},
	} {
		if _, err := n.Run(t.Context(), x); !errors.Is(err, graph.ErrShape) {
			t.Errorf("%s: %v, want one that wraps ErrShape", name, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := n.Run(ctx, noise(1, 1, 3, 32, 32)); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled run: %v", err)
	}
	if _, err := New(tiny(false), -1); !errors.Is(err, ErrUnsupported) {
		t.Errorf("-1 threads: %v", err)
	}
	if _, err := New(&graph.Graph{}, 1); !errors.Is(err, graph.ErrGraph) {
		t.Errorf("empty graph: %v", err)
	}
	two := tiny(false)
	two.Inputs = append(two.Inputs, &graph.Value{Name: "second", Type: two.Inputs[0].Type})
	if n, err = New(two, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := n.Run(t.Context(), noise(1, 1, 3, 32, 32)); !errors.Is(err, graph.ErrShape) {
		t.Errorf("one input of two: %v", err)
	}
}

// A value beyond the limit costs an error, not memory.
func TestHugeValue(t *testing.T) {
	in := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{graph.Fixed(1), graph.Fixed(1), graph.Symbol("h"), graph.Symbol("w")}}}
	g := &graph.Graph{Inputs: []*graph.Value{in}}
	g.Outputs = []*graph.Value{g.Add("y", graph.Conv{Strides: [2]int{1, 1}, Pads: [4]int{1 << 20, 1 << 20, 1 << 20, 1 << 20}, Group: 1},
		in, weight("w", []int{1, 1, 1, 1}, 1))}
	n, err := New(g, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := n.Run(t.Context(), f32([]int{1, 1, 1, 1}, 1)); !errors.Is(err, graph.ErrTooLarge) {
		t.Errorf("%v, want one that wraps ErrTooLarge", err)
	}
}

// A graph may hand out its input and its weights.
func TestTrivialOutputs(t *testing.T) {
	in := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(2)}}
	g := &graph.Graph{Inputs: []*graph.Value{in}}
	w := weight("w", []int{2}, 3, 4)
	y := g.Add("y", graph.Add{}, in, w)
	g.Outputs = []*graph.Value{y, in, w}
	n, err := New(g, 1)
	if err != nil {
		t.Fatal(err)
	}
	all, err := n.RunAll(t.Context(), f32([]int{2}, 1, 2))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range [][]float64{{4, 6}, {1, 2}, {3, 4}} {
		if !slices.Equal(all[i].Float64s(), want) {
			t.Errorf("output %d is %v, want %v", i, all[i].Float64s(), want)
		}
	}
}

func TestPanicsBecomeErrors(t *testing.T) {
	e := exec{threads: 2}
	e.parallel(4, func(i int) { _ = []int{}[i] })
	if err := e.failure(); !errors.Is(err, ErrPanic) {
		t.Errorf("%v, want one that wraps ErrPanic", err)
	}
}

// A run holds and takes what the budget allows, and ends in the middle of a node when its
// context does.
func TestBudget(t *testing.T) {
	image := func(kernel int) *graph.Graph {
		in := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{graph.Fixed(1), graph.Fixed(1), graph.Symbol("h"), graph.Symbol("w")}}}
		g := &graph.Graph{Inputs: []*graph.Value{in}}
		p := kernel / 2
		g.Outputs = []*graph.Value{g.Add("y", graph.Conv{Strides: [2]int{1, 1}, Pads: [4]int{p, p, p, p}, Group: 1}, in,
			graph.Weight("w", graph.Float32Tensor([]int{1, 1, kernel, kernel}, make([]float32, kernel*kernel))))}
		return g
	}
	n, err := New(image(1), 1)
	if err != nil {
		t.Fatal(err)
	}
	n.MaxMemory = 1 << 16
	if _, err := n.Run(t.Context(), f32([]int{1, 1, 64, 64}, make([]float32, 4096)...)); err != nil {
		t.Error(err)
	}
	if _, err := n.Run(t.Context(), f32([]int{1, 1, 128, 128}, make([]float32, 1<<14)...)); !errors.Is(err, graph.ErrBudget) {
		t.Errorf("a value of 128 KiB: %v", err)
	}
	if n, err = New(image(301), 1); err != nil {
		t.Fatal(err)
	}
	x := f32([]int{1, 1, 256, 256}, make([]float32, 1<<16)...)
	if _, err := n.Run(t.Context(), x); !errors.Is(err, graph.ErrBudget) {
		t.Errorf("six billion operations: %v", err)
	}
	n.MaxMemory = 1 << 40
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(10*time.Millisecond, cancel)
	if _, err := n.Run(ctx, x); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
