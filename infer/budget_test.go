package infer

import (
	"errors"
	"fmt"
	"slices"
	"sync"
	"testing"

	"github.com/repvit-go/repvit/graph"
)

// The default budget does not get into the way of large inputs.
func TestBudgetSuffices(t *testing.T) {
	shapes := [][]int{{1, 3, 224, 224}, {256, 3, 224, 224}, {1, 3, 1024, 1024}, {1, 3, 2048, 2048}, {4, 3, 2048, 2048}, {1, 3, 4096, 4096}}
	for _, v := range []variant{tiny, m09, m23} {
		for _, training := range []bool{false, true} {
			s := open(t, v.build(training, false), Options{})
			plain, err := s.model.lowerPlain(2)
			if err != nil {
				t.Fatal(err)
			}
			for _, shape := range shapes {
				for what, p := range map[string]*program{"fused": s.model.program, "plain": plain} {
					if _, err := newPlan(p, [][]int{shape}, nil, 2); err != nil {
						t.Errorf("%s, training %v, %s: %v", v.name, training, what, err)
					}
				}
			}
		}
	}
}

func TestMaxMemory(t *testing.T) {
	g := tiny.deploy()
	if _, err := New(g, Options{MaxMemory: -1}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("-1: %v", err)
	}
	if _, err := New(g, Options{MaxMemory: 1 << 10}); !errors.Is(err, graph.ErrBudget) {
		t.Errorf("less than the weights: %v", err)
	}
	s := open(t, g, Options{MaxMemory: 2 << 20})
	if _, err := s.Run(t.Context(), randomInput(1, 3, 64, 64)); err != nil {
		t.Error(err)
	}
	x := randomInput(1, 3, 640, 640)
	if _, err := s.Run(t.Context(), x); !errors.Is(err, graph.ErrBudget) {
		t.Errorf("a large input: %v", err)
	}
	if err := s.Observe(t.Context(), x, func(*graph.Value, *graph.Tensor) error { return nil }); !errors.Is(err, graph.ErrBudget) {
		t.Errorf("a large input, observed: %v", err)
	}
	// The session goes on.
	if _, err := s.Run(t.Context(), randomInput(1, 3, 64, 64)); err != nil {
		t.Error(err)
	}
}

// Arenas of very many values are made without looking at all pairs, and stay in order.
func TestManyValues(t *testing.T) {
	const n = 20000
	g := &graph.Graph{Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 4)}}}}
	var means []*graph.Value
	for i := 0; i < n; i += 1000 {
		var part []*graph.Value
		for k := range 1000 {
			part = append(part, g.Add(fmt.Sprint("v", i+k), graph.Relu{}, g.Inputs[0]))
		}
		means = append(means, g.Add(fmt.Sprint("m", i), graph.Mean{}, part...))
	}
	g.Outputs = []*graph.Value{g.Add("y", graph.Mean{}, means...)}
	s := open(t, g, Options{})
	y, err := s.Run(t.Context(), graph.Float32Tensor([]int{1, 4}, []float32{-1, 2, 3, 4}))
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float32{0, 2, 3, 4} {
		if got := y.Float32s()[i]; got != want {
			t.Errorf("output %d is %v, want %v", i, got, want)
		}
	}
}

// Clones are made while another goroutine observes, which packs weights.
func TestCloneRace(t *testing.T) {
	x := randomInput(1, 3, 16, 16)
	s := open(t, quantized(t, tiny.deploy(), scopes[0], x), Options{Threads: 1})
	var wg sync.WaitGroup
	wg.Go(func() {
		if err := s.Observe(t.Context(), x, func(*graph.Value, *graph.Tensor) error { return nil }); err != nil {
			t.Error(err)
		}
	})
	for range 20 {
		c, err := s.Clone(Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
	}
	wg.Wait()
}

// A constant that the kept nodes of a folded graph read as data keeps its elements.
func TestFoldedDataIsKept(t *testing.T) {
	b := newBuilder(3)
	c := b.add(graph.Cast{To: graph.Float32}, graph.Weight("half", graph.Float32Tensor([]int{1, 2}, []float32{1, 2}).Half()))
	y := b.add(graph.Gemm{}, c, graph.Weight("w", graph.Float32Tensor([]int{1, 2}, []float32{10, 100})))
	b.Outputs = []*graph.Value{y, b.add(graph.Relu{}, b.input())}
	all, err := open(t, b.Graph, Options{}).RunAll(t.Context(), randomInput(1, 3, 2, 2))
	if err != nil || all[0].Float32s()[0] != 210 {
		t.Errorf("%v, %v, want 210", all, err)
	}
}

// Quantized values that lie in rows, not in pixels of channels, are transposed as numbers.
func TestTransposeOfQuantizedRows(t *testing.T) {
	x := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 2, 3, 2)}}
	g := &graph.Graph{Inputs: []*graph.Value{x}}
	identity := graph.Weight("w", graph.Float32Tensor([]int{2, 2}, []float32{1, 0, 0, 1}))
	rows := g.Add("rows", graph.MatMul{}, x, identity)
	scale, zero := graph.Weight("s", graph.Float32Tensor([]int{}, []float32{1})), graph.Weight("z", graph.Uint8Tensor([]int{}, []uint8{0}))
	q := g.Add("q", graph.QuantizeLinear{}, rows, scale, zero)
	g.Outputs = []*graph.Value{g.Add("y", graph.Transpose{Perm: []int{0, 2, 3, 1}}, q)}
	y, err := open(t, g, Options{}).Run(t.Context(), graph.Float32Tensor([]int{1, 2, 3, 2}, []float32{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}))
	if want := []uint8{0, 6, 1, 7, 2, 8, 3, 9, 4, 10, 5, 11}; err != nil || !slices.Equal(y.Uint8s(), want) {
		t.Errorf("%v, %v, want %v", y, err, want)
	}
}

// Integers are not added as if they could not overflow.
func TestIntegerArithmetic(t *testing.T) {
	x := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Uint8, Shape: graph.FixedShape(1, 2)}}
	g := &graph.Graph{Inputs: []*graph.Value{x}}
	g.Outputs = []*graph.Value{g.Add("y", graph.Add{}, x, x)}
	if _, err := New(g, Options{}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("%v, want one that wraps ErrUnsupported", err)
	}
}
