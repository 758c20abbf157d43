package infer

import (
	"testing"

	"github.com/repvit-go/repvit/graph"
)

// BenchmarkSpatial enlarges a feature map of 128 channels and 64×64 pixels, and puts two behind
// each other.
func BenchmarkSpatial(b *testing.B) {
	upward := graph.Weight("upward", graph.Float32Tensor([]int{128, 128, 2, 2}, make([]float32, 128*128*4)))
	for _, c := range []struct {
		name  string
		op    graph.Op
		other *graph.Value
	}{
		{"nearest", graph.Resize{Mode: "nearest", Coordinates: "asymmetric", Nearest: "floor", Scales: [2]float64{2, 2}}, nil},
		{"bilinear", graph.Resize{Mode: "linear", Coordinates: "half_pixel", Scales: [2]float64{2, 2}}, nil},
		{"bicubic", graph.Resize{Mode: "cubic", Coordinates: "half_pixel", Scales: [2]float64{2, 2}}, nil},
		{"transposed convolution", graph.ConvTranspose{Strides: [2]int{2, 2}, Group: 1}, upward},
		{"concatenation", graph.Concat{Axis: 1}, nil},
	} {
		b.Run(c.name, func(b *testing.B) {
			x := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 128, 64, 64)}}
			g := &graph.Graph{Inputs: []*graph.Value{x}}
			in := []*graph.Value{g.Add("relu", graph.Relu{}, x)}
			switch {
			case c.other != nil:
				in = append(in, c.other)
			case c.op.Kind() == "Concat":
				in = append(in, g.Add("abs", graph.Abs{}, x))
			}
			// The mean, so that not much is handed out.
			g.Outputs = []*graph.Value{g.Add("mean", graph.GlobalAveragePool{}, g.Add("y", c.op, in...))}
			s, err := New(g, Options{Threads: 1})
			if err != nil {
				b.Fatal(err)
			}
			defer s.Close()
			input := randomInput(1, 128, 64, 64)
			for b.Loop() {
				if _, err := s.Run(b.Context(), input); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
