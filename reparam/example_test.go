package reparam_test

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/reparam"
)

func ExampleFuse() {
	vector := func(name string, v float32) *graph.Value {
		return graph.Weight(name, graph.Float32Tensor([]int{1}, []float32{v}))
	}
	g := &graph.Graph{Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 1, 8, 8)}}}}
	kernel := graph.Weight("kernel", graph.Float32Tensor([]int{1, 1, 1, 1}, []float32{3}))
	conv := g.Add("conv", graph.Conv{Strides: [2]int{1, 1}, Group: 1}, g.Inputs[0], kernel)
	norm := g.Add("norm", graph.BatchNorm{}, conv, vector("scale", 2), vector("bias", 1), vector("mean", 5), vector("variance", 4))
	g.Outputs = []*graph.Value{g.Add("sum", graph.Add{}, norm, g.Inputs[0])}

	for _, n := range reparam.Fuse(g).Nodes {
		fmt.Println(n.Name(), n.Op.Kind(), n.Inputs[1].Const.Float32s(), n.Inputs[2].Const.Float32s())
	}
	// Output:
	// sum Conv [4] [-4]
}
