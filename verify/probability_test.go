package verify

import (
	"errors"
	"math"
	"testing"

	"github.com/repvit-go/repvit/graph"
)

func TestProbability(t *testing.T) {
	x := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float64, Shape: graph.FixedShape(1, 3)}}
	g := &graph.Graph{Inputs: []*graph.Value{x}}
	logits := g.Add("logits", graph.Relu{}, x)
	scores := g.Add("scores", graph.Softmax{}, logits)
	half := g.Add("half", graph.Cast{To: graph.Float16}, scores)
	g.Outputs = []*graph.Value{g.Add("wide", graph.Cast{To: graph.Float64}, half)}
	for _, v := range []*graph.Value{scores, half, g.Outputs[0]} {
		g.Outputs[0] = v
		if got, err := Probability(g, graph.Float64Tensor([]int{1, 3}, []float64{0.25, 0.5, 0.25}), 1); err != nil || got != 0.5 {
			t.Errorf("%s: %v, %v, want 0.5", v.Name, got, err)
		}
	}
	g.Outputs[0] = logits
	y := graph.Float64Tensor([]int{1, 3}, []float64{1000, 1000 + math.Log(2), -1e9})
	for class, want := range []float64{1.0 / 3, 2.0 / 3, 0} {
		if got, err := Probability(g, y, class); err != nil || math.Abs(got-want) > 1e-12 {
			t.Errorf("class %d: %v, %v, want %v", class, got, err, want)
		}
	}
	for _, class := range []int{-1, 3} {
		if _, err := Probability(g, y, class); !errors.Is(err, graph.ErrShape) {
			t.Errorf("class %d: %v", class, err)
		}
	}
	if _, err := Probability(g, graph.Float64Tensor([]int{2, 1}, []float64{1, 2}), 0); !errors.Is(err, graph.ErrShape) {
		t.Errorf("two images: %v", err)
	}
}
