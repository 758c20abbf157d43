package graph_test

import (
	"fmt"
	"log"

	"github.com/repvit-go/repvit/graph"
)

func Example() {
	g := &graph.Graph{Inputs: []*graph.Value{{Name: "input", Type: &graph.Type{DType: graph.Float32,
		Shape: graph.Shape{graph.Symbol("batch"), graph.Fixed(3), graph.Symbol("height"), graph.Symbol("width")}}}}}
	kernel := graph.Weight("kernel", graph.Float32Tensor([]int{8, 3, 3, 3}, make([]float32, 8*3*3*3)))
	x := g.Add("conv", graph.Conv{Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}, Group: 1}, g.Inputs[0], kernel)
	g.Outputs = []*graph.Value{g.Add("act", graph.Gelu{}, x)}
	if err := g.Validate(); err != nil {
		log.Fatal(err)
	}
	types, err := g.Infer()
	if err != nil {
		log.Fatal(err)
	}
	macs, err := g.MACs(graph.FixedShape(1, 3, 224, 224))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(types[g.Outputs[0]])
	fmt.Println(g.Parameters(), "parameters,", macs, "multiply-accumulates")
	// Output:
	// float32 batch×8×ceil(height/2)×ceil(width/2)
	// 216 parameters, 2709504 multiply-accumulates
}
