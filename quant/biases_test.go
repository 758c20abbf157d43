package quant_test

import (
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/quant"
)

func TestFloatBiases(t *testing.T) {
	g := &graph.Graph{Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 1, 1, 1)}}}}
	vector := func(name string, v ...float32) *graph.Value {
		return graph.Weight(name, graph.Float32Tensor([]int{2}, v))
	}
	bias := g.Add("b", graph.DequantizeLinear{}, graph.Weight("q", graph.Int32Tensor([]int{2}, []int32{3, -5})), vector("s", 1e-6, 2e-6), graph.Weight("z", graph.Int32Tensor([]int{2}, []int32{0, 0})))
	w := graph.Weight("w", graph.Float32Tensor([]int{2, 1, 1, 1}, []float32{1, 2}))
	g.Outputs = []*graph.Value{g.Add("y", graph.Conv{Strides: [2]int{1, 1}, Group: 1}, g.Inputs[0], w, bias)}
	got := quant.FloatBiases(g)
	if len(got.Nodes) != 1 || len(g.Nodes) != 2 {
		t.Fatalf("%d nodes, and %d in the graph that was given", len(got.Nodes), len(g.Nodes))
	}
	b := got.Nodes[0].Inputs[2]
	if b.Const == nil || b.Name != "b" || b.Const.Float32s()[0] != float32(3*float64(float32(1e-6))) || b.Const.Float32s()[1] != float32(-5*float64(float32(2e-6))) {
		t.Errorf("found %v", b)
	}
}
