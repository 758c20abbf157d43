package graph

import (
	"errors"
	"math"
	"strings"
	"testing"
)

// outer returns a graph that adds a row of n to a column of n that the input gives, and its
// types for n.
func outer(n int) (*Graph, map[*Value]Type) {
	x := &Value{Name: "x", Type: &Type{DType: Float32, Shape: FixedShape(n, 1)}}
	g := &Graph{Inputs: []*Value{x}}
	row := Weight("row", Float32Tensor([]int{1, n}, make([]float32, n)))
	g.Outputs = []*Value{g.Add("y", Add{}, x, row)}
	types, err := g.Infer()
	if err != nil {
		panic(err)
	}
	return g, types
}

func TestBudget(t *testing.T) {
	g, types := outer(1000) // 4000 bytes of weights, a million elements
	b := NewBudget(g, 0)
	if got, want := b.Memory(0), int64(16<<20+32*4000); got != want {
		t.Errorf("%d bytes for the weights, want %d", got, want)
	}
	if got, want := b.Memory(1000), int64(16<<20+32*8000); got != want {
		t.Errorf("%d bytes for a run, want %d", got, want)
	}
	if got := b.Memory(math.MaxInt32); got != 8<<30 {
		t.Errorf("%d bytes for a huge input, want 8 GiB", got)
	}
	if err := b.CheckMemory(1000, 17<<20); !errors.Is(err, ErrTooLarge) || !errors.Is(err, ErrBudget) || b.CheckMemory(1000, 16<<20) != nil {
		t.Errorf("memory: %v", err)
	}
	if err := b.CheckWork(g.Nodes, types, 1000); err != nil {
		t.Error(err)
	}
	// 2²⁶ + 100·(10000/16+4) operations are allowed, 2·10⁸ are not.
	g, types = outer(10000)
	if err := NewBudget(g, 0).CheckWork(g.Nodes, types, 100); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "y (Add): up to here it takes 200000000 operations") {
		t.Errorf("work: %v", err)
	}
	// More memory allows more work.
	if err := NewBudget(g, 64<<20).CheckWork(g.Nodes, types, 100); err != nil {
		t.Error(err)
	}
	if err := NewBudget(g, 1<<20).CheckWork(g.Nodes, types, 100); !errors.Is(err, ErrBudget) {
		t.Errorf("work with less memory: %v", err)
	}
	if got := NewBudget(g, 1<<20).Memory(1 << 30); got != 1<<20 {
		t.Errorf("%d bytes, want what was said", got)
	}
	if err := NewBudget(g, math.MaxInt64).CheckWork(g.Nodes, types, 100); err != nil {
		t.Error(err)
	}
}

func TestFolding(t *testing.T) {
	g, types := outer(1000)
	f := NewBudget(g, 0).Folding()
	if err := f.Add(g.Nodes[0], types); !errors.Is(err, ErrTooLarge) || !strings.Contains(err.Error(), "2000000 operations") {
		t.Errorf("an outer product: %v", err)
	}
	g, types = outer(50)
	f = NewBudget(g, 0).Folding()
	n := 0
	for ; f.Add(g.Nodes[0], types) == nil; n++ {
	}
	if want := (1<<20 + 64*50) / 5000; n != want {
		t.Errorf("%d additions of 5000 operations, want %d", n, want)
	}
}

func TestAddCounts(t *testing.T) {
	if AddCounts(1, 2) != 3 || AddCounts(math.MaxInt64, 5) != math.MaxInt64 || AddCounts(5, math.MaxInt64) != math.MaxInt64 {
		t.Error("wrong sums")
	}
}
