package onnx_test

import (
	"bytes"
	"fmt"
	"log"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/onnx"
)

func Example() {
	g := &graph.Graph{Name: "tiny", Metadata: map[string]string{"author": "me"}}
	x := &graph.Value{Name: "input", Type: &graph.Type{
		DType: graph.Float32, Shape: graph.Shape{graph.Symbol("batch"), graph.Fixed(2)}}}
	g.Inputs = []*graph.Value{x}
	w := graph.Weight("fc.weight", graph.Float32Tensor([]int{3, 2}, []float32{1, 2, 3, 4, 5, 6}))
	y := g.Add("act", graph.Gelu{}, g.Add("fc", graph.Gemm{}, x, w))
	g.Outputs = []*graph.Value{y}

	var file bytes.Buffer
	if err := onnx.Encode(&file, g, onnx.Options{Opset: 13}); err != nil {
		log.Fatal(err)
	}
	m, err := onnx.Decode(file.Bytes())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(m.Producer, m.Opset, m.Graph.Metadata)
	for _, n := range m.Graph.Nodes {
		fmt.Println(n.Name(), n.Op.Kind())
	}
	// Output:
	// repvit 13 map[author:me]
	// fc Gemm
	// act Gelu
}
