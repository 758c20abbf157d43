package infer

import (
	"errors"
	"fmt"
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
					if _, err := newPlan(p, shape, 2); err != nil {
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
