package verify_test

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/verify"
	"github.com/repvit-go/repvit/verify/reference"
)

// line is a network that computes weight·x + 1 and its sigmoid.
func line(weight float32) verify.Engine {
	x := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{graph.Symbol("batch"), graph.Fixed(1)}}}
	g := &graph.Graph{Inputs: []*graph.Value{x}}
	y := g.Add("line", graph.Gemm{}, x,
		graph.Weight("weight", graph.Float32Tensor([]int{1, 1}, []float32{weight})),
		graph.Weight("bias", graph.Float32Tensor([]int{1}, []float32{1})))
	g.Outputs = []*graph.Value{g.Add("probability", graph.Sigmoid{}, y)}
	n, err := reference.New(g, 0)
	if err != nil {
		panic(err)
	}
	return n
}

// Two networks that differ in a weight: the comparison names the first value that it
// touches.
func ExampleCheck() {
	x := graph.Float32Tensor([]int{1, 1}, []float32{2})
	c, err := verify.Check(context.Background(), line(1.5), line(1), x, verify.DefaultTolerance)
	if err != nil {
		fmt.Println(err)
		return
	}
	text, err := json.Marshal(c.FirstDivergence)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Equal, string(text))
	// Output:
	// false {"value":"line","max_abs":1}
}

func ExampleLayers() {
	x := graph.Float32Tensor([]int{1, 1}, []float32{2})
	layers, err := verify.Layers(context.Background(), line(1.125), line(1), x)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, l := range layers {
		fmt.Printf("%-11s %-7s %.3f %4.1f dB\n", l.Value, l.Kind, l.MaxAbs, l.SQNR)
	}
	// Output:
	// line        Gemm    0.250 21.6 dB
	// probability Sigmoid 0.010 39.5 dB
}

func ExampleCompare() {
	got := graph.Float32Tensor([]int{2, 2}, []float32{1, 2, 3, 4})
	want := graph.Float64Tensor([]int{2, 2}, []float64{1, 2, 3, 3.5})
	c, err := verify.Compare(got, want, verify.Tolerance{Abs: 1e-4, Rel: 1e-3})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(c.Equal, c.MaxAbs, c.Top1Agree)
	// Output: false 0.5 1
}
