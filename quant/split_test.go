package quant

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
)

// begun returns a graph that takes images, and what makes random weights for it.
func begun() (g *graph.Graph, weight func(shape ...int) *graph.Value) {
	g = &graph.Graph{Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 3, 64, 64)}}}}
	r := rand.New(rand.NewPCG(1, 7))
	n := 0
	return g, func(shape ...int) *graph.Value {
		size, _ := graph.Numel(shape)
		v := make([]float32, size)
		for i := range v {
			v[i] = float32(r.NormFloat64()) / 2
		}
		n++
		return graph.Weight("weight"+string(rune('0'+n)), graph.Float32Tensor(shape, v))
	}
}

// TestSharedWeights quantizes layers that read one weight and one bias.
func TestSharedWeights(t *testing.T) {
	g, weight := begun()
	w, b := weight(3, 3, 1, 1), weight(3)
	conv := graph.Conv{Strides: [2]int{1, 1}, Group: 1}
	y := g.Add("a", conv, g.Inputs[0], w, b)
	y = g.Add("b", conv, g.Add("relu", graph.Relu{}, y), w, b)
	g.Outputs = []*graph.Value{y}
	q, r, err := Quantize(t.Context(), nil, g, images(1, 8), [2]int{}, Options{Scope: All, NoLogits: true})
	if err != nil {
		t.Fatal(err)
	}
	if r.Loss.SQNR < 20 {
		t.Errorf("SQNR %.1f dB", r.Loss.SQNR)
	}
	integers := 0
	for _, v := range q.Weights() {
		if v.Const.DType == graph.Int8 && len(v.Const.Shape) == 4 {
			integers++
		}
	}
	if integers != 2 || g.Nodes[0].Inputs[1] != w || g.Nodes[2].Inputs[1] != w {
		t.Errorf("%d weights in int8, expected 2, and the graph given as it was", integers)
	}
}

// TestBehindRegions: nothing behind the maps that regions are cut out of is in int8, and operators
// with several outputs stay what they are.
func TestBehindRegions(t *testing.T) {
	g, weight := begun()
	conv := graph.Conv{Strides: [2]int{1, 1}, Group: 1}
	fpn := g.Add("fpn", conv, g.Add("backbone", conv, g.Inputs[0], weight(16, 3, 1, 1), weight(16)), weight(16, 16, 1, 1), weight(16))
	boxes := graph.Weight("boxes", graph.Float32Tensor([]int{2, 4}, []float32{0, 0, 30, 30, 10, 20, 60, 50}))
	cut := g.Add("regions", graph.RoiAlign{Height: 2, Width: 2, Strides: []int{1}}, fpn, boxes)
	head := g.Add("head", conv, cut, weight(8, 16, 1, 1), weight(8))
	best := g.AddSeveral([]string{"best", "which"}, graph.TopK{K: 1, Axis: -1}, g.Add("flat", graph.Flatten{}, head))
	g.Outputs = append(best, fpn)
	for _, scope := range []Scope{Pointwise, All} {
		q, r, err := Quantize(t.Context(), nil, g, images(1, 8), [2]int{}, Options{Scope: scope})
		if err != nil {
			t.Fatalf("%s: %v", scope, err)
		}
		if r.Loss.SQNR < 20 || r.Loss.Classes {
			t.Errorf("%s: loss %+v", scope, r.Loss)
		}
		var names []string
		for _, l := range r.Layers {
			names = append(names, strings.TrimSuffix(l.Name, ".equalized"))
		}
		if !slices.Equal(names, []string{"backbone", "fpn"}) {
			t.Errorf("%s: layers %q", scope, names)
		}
		for i, v := range q.Outputs {
			if v.Name != g.Outputs[i].Name {
				t.Errorf("%s: output %d is %q, expected %q", scope, i, v.Name, g.Outputs[i].Name)
			}
		}
		producers := q.Producers()
		if n := producers[q.Outputs[1]]; n == nil || n != producers[q.Outputs[0]] || n.Op.Kind() != "TopK" {
			t.Errorf("%s: the outputs are not those of one operator", scope)
		}
	}
}

// TestSplit: the loss of a network that decides is that of what it decides about.
func TestSplit(t *testing.T) {
	g, weight := begun()
	coarse := g.Add("coarse", graph.Conv{Strides: [2]int{1, 1}, Group: 1}, g.Inputs[0], weight(4, 3, 1, 1), weight(4))
	logits := g.Add("logits", graph.Resize{Mode: "linear", Coordinates: "half_pixel", Scales: [2]float64{2, 2}}, coarse)
	classes := g.Add("classes", graph.ArgMax{Axis: -3, KeepDims: true}, logits)
	for _, output := range []*graph.Value{coarse, logits, classes} {
		g.Outputs = []*graph.Value{output}
		g := g.Clone()
		g.Prune()
		part, behind := split(g)
		if len(part.Outputs) != 1 || part.Outputs[0].Name != "coarse" || len(part.Nodes)+len(behind) != len(g.Nodes) {
			t.Errorf("%s: %d nodes and %d behind, outputs %v", output.Name, len(part.Nodes), len(behind), part.Outputs)
		}
		q, r, err := Quantize(t.Context(), nil, g, images(1, 8), [2]int{}, Options{Maps: true})
		if err != nil {
			t.Fatalf("%s: %v", output.Name, err)
		}
		if !r.Loss.Pixels || r.Loss.Agree < 0.9 || q.Outputs[0].Name != output.Name {
			t.Errorf("%s: loss %+v, output %q", output.Name, r.Loss, q.Outputs[0].Name)
		}
	}
}
