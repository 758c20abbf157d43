package native_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/native"
)

func Example() {
	g := &graph.Graph{Name: "mean colour"}
	in := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{
		graph.Symbol("batch"), graph.Fixed(3), graph.Symbol("height"), graph.Symbol("width")}}}
	g.Inputs = []*graph.Value{in}
	x := g.Add("flatten", graph.Flatten{}, g.Add("pool", graph.GlobalAveragePool{}, in))
	w := graph.Weight("weight", graph.Float32Tensor([]int{2, 3}, []float32{1, 0, 0, 0, 1, 0}))
	g.Outputs = []*graph.Value{g.Add("logits", graph.Gemm{}, x, w)}

	var file bytes.Buffer
	if err := native.Encode(&file, g); err != nil {
		log.Fatal(err)
	}
	fmt.Println(native.Is(file.Bytes()))
	back, err := native.Decode(file.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	for _, n := range back.Nodes {
		fmt.Println(n.Name(), n.Op.Kind())
	}
	// Output:
	// true
	// pool GlobalAveragePool
	// flatten Flatten
	// logits Gemm
}
