// Package formattest has what the tests of file formats share.
package formattest

import (
	"errors"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
	"github.com/repvit-go/repvit/verify"
)

// Fused returns a network of testdata for one image, fused. Tests run in a folder of the module's root.
func Fused(t testing.TB, name string, o model.Options) *graph.Graph {
	t.Helper()
	f, err := pytorch.Open("../testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	sd, err := f.StateDict(pytorch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	o.Batch = 1
	m, err := family.Build(sd, o)
	if err != nil {
		t.Fatal(err)
	}
	return reparam.Fuse(m.Graph)
}

// Compared runs two networks on one input and returns the largest difference as a part of the largest
// number, and the signal-to-noise ratio in dB.
func Compared(t testing.TB, got, want *graph.Graph) (largest, sqnr float64) {
	t.Helper()
	dims, _ := want.Inputs[0].Type.Shape.Ints()
	x, err := verify.RandomInput(dims, 1)
	if err != nil {
		t.Fatal(err)
	}
	var out [2][]*graph.Tensor
	for i, g := range []*graph.Graph{got, want} {
		s, err := infer.New(g, infer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if out[i], err = s.RunAll(t.Context(), x); err != nil {
			t.Fatal(err)
		}
	}
	if len(out[0]) != len(out[1]) {
		t.Fatalf("%d outputs, want %d", len(out[0]), len(out[1]))
	}
	var d verify.Distance
	for i, w := range out[1] {
		if out[0][i].Len() != w.Len() {
			t.Fatalf("output %d has the shape %v, want %v", i, out[0][i].Shape, w.Shape)
		}
		d.Add(out[0][i].Float64s(), w.Float64s())
	}
	return d.MaxAbs / d.Magnitude, d.SQNR()
}

// Decoded goes on from what a fuzzed file was decoded to: an error must be of a kind that is known, a
// small network runs or is refused.
func Decoded(t *testing.T, g *graph.Graph, err error, kinds ...error) {
	t.Helper()
	if err != nil {
		for _, k := range kinds {
			if errors.Is(err, k) {
				return
			}
		}
		t.Fatalf("error of no kind: %v", err)
	}
	dims, _ := g.Inputs[0].Type.Shape.Ints()
	if n, err := graph.Numel(dims); err != nil || n > 1<<18 {
		return
	}
	s, err := infer.New(g, infer.Options{Threads: 1, MaxMemory: 64 << 20})
	if err != nil {
		return
	}
	defer s.Close()
	x, err := verify.RandomInput(dims, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.RunAll(t.Context(), x); err != nil && !errors.Is(err, graph.ErrTooLarge) {
		t.Fatal(err)
	}
}
