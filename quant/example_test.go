package quant_test

import (
	"context"
	"fmt"
	"log"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/quant"
)

// A network of one convolution, calibrated on two images.
func ExampleQuantize() {
	in := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 1, 2, 2)}}
	g := &graph.Graph{Inputs: []*graph.Value{in}}
	w := graph.Weight("weight", graph.Float32Tensor([]int{1, 1, 1, 1}, []float32{0.5}))
	g.Outputs = []*graph.Value{g.Add("output", graph.Conv{Strides: [2]int{1, 1}, Group: 1}, in, w)}

	images := graph.Float32Tensor([]int{2, 1, 2, 2}, []float32{0, 1, 2, 2.55, 0.5, 1.5, 2.5, 1})
	q, report, err := quant.Quantize(context.Background(), nil, g, []*graph.Tensor{images}, [2]int{}, quant.Options{Method: quant.MinMax})
	if err != nil {
		log.Fatal(err)
	}
	for _, n := range q.Nodes {
		fmt.Println(n.Op.Kind(), n.Name())
	}
	fmt.Printf("%s, %d samples, input scale %.2f\n", report.Calibration, report.Samples, report.Ranges[0].Scale)
	fmt.Printf("%s, measured on %d of them\n", report.Verdict, report.HeldOut)
	// Output:
	// QuantizeLinear input.int8
	// DequantizeLinear input.dequantized
	// DequantizeLinear weight.dequantized
	// Conv output.raw
	// QuantizeLinear output.int8
	// DequantizeLinear output
	// images, 2 samples, input scale 0.01
	// good, measured on 1 of them
}
