package infer_test

import (
	"context"
	"fmt"
	"log"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
)

// classifier is a network of three classes that looks at an image's mean colour only: the
// larger the mean of a channel, the larger its class's logit.
func classifier() *graph.Graph {
	g := &graph.Graph{Metadata: map[string]string{"repvit.labels": `["red", "green", "blue"]`}}
	in := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{
		graph.Symbol("batch"), graph.Fixed(3), graph.Symbol("height"), graph.Symbol("width")}}}
	g.Inputs = []*graph.Value{in}
	weight := graph.Weight("weight", graph.Float32Tensor([]int{3, 3}, []float32{4, 0, 0, 0, 4, 0, 0, 0, 4}))
	x := g.Add("pool", graph.GlobalAveragePool{}, in)
	x = g.Add("flatten", graph.Flatten{}, x)
	g.Outputs = []*graph.Value{g.Add("logits", graph.Gemm{}, x, weight)}
	return g
}

// greenish returns a 1×3×2×2 image.
func greenish() *graph.Tensor {
	return graph.Float32Tensor([]int{1, 3, 2, 2}, []float32{
		0, 0, 0, 1, // red
		1, 1, 0, 1, // green
		0, 0, 0, 0, // blue
	})
}

func Example() {
	s, err := infer.New(classifier(), infer.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	logits, err := s.Run(context.Background(), greenish())
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(logits.Shape, logits.Float32s())
	top, err := s.Top(logits.Float32s(), 2)
	if err != nil {
		log.Fatal(err)
	}
	for _, p := range top {
		fmt.Printf("%s %.3f\n", p.Label, p.Score)
	}
	// Output:
	// [1 3] [1 3 0]
	// green 0.844
	// red 0.114
}

func ExampleSession_RunInto() {
	s, err := infer.New(classifier(), infer.Options{Threads: 1})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	input, logits := greenish().Float32s(), make([]float32, 3) // used again for every image
	if err := s.RunInto(context.Background(), logits, []int{1, 3, 2, 2}, input); err != nil {
		log.Fatal(err)
	}
	fmt.Println(logits)
	// Output: [1 3 0]
}

func ExampleSession_Observe() {
	s, err := infer.New(classifier(), infer.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	err = s.Observe(context.Background(), greenish(), func(v *graph.Value, t *graph.Tensor) error {
		fmt.Println(v.Name, t.Shape)
		return nil
	})
	if err != nil {
		log.Fatal(err)
	}
	// Output:
	// input [1 3 2 2]
	// pool [1 3 1 1]
	// flatten [1 3]
	// logits [1 3]
}

func ExampleSession_Profile() {
	s, err := infer.New(classifier(), infer.Options{})
	if err != nil {
		log.Fatal(err)
	}
	defer s.Close()
	ops, err := s.Profile(context.Background(), greenish(), 10)
	if err != nil {
		log.Fatal(err)
	}
	for _, o := range ops {
		fmt.Println(o.Name, o.Kind, o.MACs) // and o.Time
	}
	// Output:
	// pool GlobalAveragePool 0
	// logits Gemm 9
	// logits Output 0
}
