package report_test

import (
	"slices"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/report"
)

func TestWeights(t *testing.T) {
	g := &graph.Graph{}
	x := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 2, 1, 1)}}
	g.Inputs = []*graph.Value{x}
	pointwise := graph.Conv{Strides: [2]int{1, 1}, Group: 1}
	x = g.Add("a", pointwise, x, graph.Weight("a.weight", graph.Float32Tensor([]int{2, 2, 1, 1}, []float32{-0.5, 0.25, 2, 1})),
		graph.Weight("a.bias", graph.Float32Tensor([]int{2}, []float32{100, -100})))
	integers := g.Add("b.weight.dequantized", graph.DequantizeLinear{}, graph.Weight("b.weight", graph.Int8Tensor([]int{2, 2, 1, 1}, []int8{-127, 10, 127, -100})),
		graph.Weight("b.weight.scale", graph.Float32Tensor([]int{2}, []float32{0.25, 0.5})), graph.Weight("b.weight.zero_point", graph.Int8Tensor([]int{2}, []int8{0, 0})))
	x = g.Add("b", pointwise, x, integers)
	x = g.Add("b.act", graph.Gelu{}, x)
	x = g.Add("flat", graph.Flatten{}, x)
	one := g.Add("c.weight.dequantized", graph.DequantizeLinear{}, graph.Weight("c.weight", graph.Int8Tensor([]int{1, 2}, []int8{1, 2})),
		graph.Weight("c.weight.scale", graph.Float32Tensor([]int{}, []float32{0.5})), graph.Weight("c.weight.zero_point", graph.Int8Tensor([]int{}, []int8{0})))
	g.Outputs = []*graph.Value{g.Add("c", graph.Gemm{}, x, one)}
	if err := g.Validate(); err != nil {
		t.Fatal(err)
	}
	want := []quant.Range{
		{Name: "a.weight", Min: -0.5, Max: 2},
		{Name: "b.weight", Min: -50, Max: 63.5, Low: -64, High: 63.5},
		{Name: "c.weight", Min: 0.5, Max: 1, Low: -64, High: 63.5},
	}
	if got := report.Weights(g); got.Title != "Weights" || !slices.Equal(got.Tensors, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}
