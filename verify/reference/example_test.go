package reference_test

import (
	"context"
	"fmt"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/verify/reference"
)

// A fully connected layer and its softmax, in float64.
func Example() {
	x := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{graph.Symbol("batch"), graph.Fixed(2)}}}
	g := &graph.Graph{Inputs: []*graph.Value{x}}
	w := graph.Weight("weight", graph.Float32Tensor([]int{2, 2}, []float32{1, 0, 0, 1}))
	g.Outputs = []*graph.Value{g.Add("probabilities", graph.Softmax{}, g.Add("logits", graph.Gemm{}, x, w))}

	n, err := reference.New(g, 1)
	if err != nil {
		fmt.Println(err)
		return
	}
	err = n.Observe(context.Background(), graph.Float32Tensor([]int{1, 2}, []float32{0, 0}),
		func(v *graph.Value, t *graph.Tensor) error {
			fmt.Println(v.Name, t.Shape, t.Float64s())
			return nil
		})
	if err != nil {
		fmt.Println(err)
	}
	// Output:
	// x [1 2] [0 0]
	// logits [1 2] [0 0]
	// probabilities [1 2] [0.5 0.5]
}
