package verify

import (
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/verify/reference"
)

// TestDecidedByLogits: of large logits, rounding is more of their probabilities than what is allowed of a
// probability. The networks are equal, unless the logits differ, or become probabilities in another way.
func TestDecidedByLogits(t *testing.T) {
	network := func(axis int, off float32) *reference.Network {
		g := &graph.Graph{Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(2, 2)}}}}
		logits := g.Add("logits", graph.Add{}, g.Inputs[0], graph.Weight("off", graph.Float32Tensor([]int{2}, []float32{off, 0})))
		p := g.Add("probabilities", graph.Softmax{Axis: axis}, logits)
		g.Outputs = g.AddSeveral([]string{"best", "index"}, graph.TopK{K: 1, Axis: -1}, p)[1:]
		n, err := reference.New(g, 1)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	x := graph.Float32Tensor([]int{2, 2}, []float32{40, 39.5, 41, 39.4})
	for name, c := range map[string]struct {
		got  *reference.Network
		want bool
	}{
		"rounding": {network(-1, 2e-3), true}, "other logits": {network(-1, 0.1), false}, "another axis": {network(-2, 0), false},
	} {
		r, err := CheckInputs(t.Context(), c.got, network(-1, 0), []*graph.Tensor{x}, DefaultTolerance)
		if err != nil {
			t.Fatal(err)
		}
		if r.Equal != c.want {
			t.Errorf("%s: equal %v, by %.2g", name, r.Equal, r.MaxAbs)
		}
	}
}
