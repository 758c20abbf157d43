package verify

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/verify/reference"
)

func TestInputsByName(t *testing.T) {
	input := func(name string) *graph.Value {
		return &graph.Value{Name: name, Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(2)}}
	}
	a, b := input("a"), input("b")
	g := &graph.Graph{Inputs: []*graph.Value{a, b}}
	g.Outputs = []*graph.Value{g.Add("y", graph.Add{}, g.Add("twice", graph.Add{}, a, a), b)}
	array := func(name string, v ...float64) npy.Array {
		return npy.Array{Name: name, Tensor: graph.Float64Tensor([]int{len(v)}, v)}
	}
	x, err := InputsFor(g, []npy.Array{array("b", 1, 2), array("a", 10, 20)})
	if err != nil {
		t.Fatal(err)
	}
	s, err := infer.New(g, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	n, err := reference.New(g, 1)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range []Engine{s, n} {
		y, err := RunAll(context.Background(), e, x...)
		if err != nil || len(y) != 1 || y[0].Float64s()[0] != 21 || y[0].Float64s()[1] != 42 {
			t.Errorf("%T: %v, %v", e, y, err)
		}
	}
	for text, arrays := range map[string][]npy.Array{
		`no array for the input "b"`: {array("a", 1, 2)},
		`an array named "c"`:         {array("a", 1, 2), array("b", 1, 2), array("c", 1, 2)},
		`input "b" of int64`:         {array("a", 1, 2), {Name: "b", Tensor: graph.Int64Tensor([]int{2}, []int64{1, 2})}},
	} {
		if _, err := InputsFor(g, arrays); !errors.Is(err, graph.ErrShape) || !strings.Contains(err.Error(), text) {
			t.Errorf("%v, want %s", err, text)
		}
	}
	if _, err := RunAll(context.Background(), s, x[0]); !errors.Is(err, graph.ErrShape) {
		t.Errorf("one input of two: %v", err)
	}
}
