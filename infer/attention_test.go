package infer

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/verify/reference"
)

// attentionGraph is an attention of heads, for any sizes: q N×T×C, k and v M×S×C.
func attentionGraph(heads, width, widthV int) *graph.Graph {
	in := func(name string, batch, tokens string, c int) *graph.Value {
		return &graph.Value{Name: name, Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{graph.Symbol(batch), graph.Symbol(tokens), graph.Fixed(c)}}}
	}
	g := &graph.Graph{Inputs: []*graph.Value{in("q", "n", "t", heads*width), in("k", "m", "s", heads*width), in("v", "m", "s", heads*widthV)}}
	split := func(x *graph.Value, width int, perm ...int) *graph.Value {
		x = g.Add(x.Name+".parts", graph.Reshape{Shape: []int{0, 0, heads, width}}, x)
		return g.Add(x.Name+".heads", graph.Transpose{Perm: perm}, x)
	}
	x := g.Add("scores", graph.MatMul{}, split(g.Inputs[0], width, 0, 2, 1, 3), split(g.Inputs[1], width, 0, 2, 3, 1))
	x = g.Add("sums", graph.MatMul{}, g.Add("weights", graph.Softmax{}, x), split(g.Inputs[2], widthV, 0, 2, 1, 3))
	x = g.Add("turned", graph.Transpose{Perm: []int{0, 2, 1, 3}}, x)
	g.Outputs = []*graph.Value{g.Add("y", graph.Reshape{Shape: []int{0, 0, heads * widthV}}, x)}
	return g
}

func normal(r *rand.Rand, scale float32, shape ...int) *graph.Tensor {
	v := make([]float32, elements(shape))
	for i := range v {
		v[i] = scale * float32(r.NormFloat64())
	}
	return graph.Float32Tensor(shape, v)
}

func TestAttention(t *testing.T) {
	for _, c := range []struct{ heads, width, widthV, n, tokens, m, rows int }{
		{8, 16, 16, 1, 7, 1, 300},  // tokens look at pixels
		{8, 16, 16, 1, 300, 1, 7},  // pixels at tokens
		{8, 32, 32, 1, 9, 1, 9},    // tokens at tokens
		{8, 6, 6, 1, 7, 1, 100},    // heads that are narrower than a register
		{8, 3, 3, 2, 100, 2, 5},    // and whose rows are padded
		{4, 16, 32, 3, 20, 1, 90},  // prompts that share their pixels
		{4, 8, 16, 3, 90, 3, 64},   // the most that are few
		{2, 48, 16, 1, 150, 1, 65}, // many at many
		{1, 5, 7, 2, 3, 2, 70},     // one head
		{8, 16, 16, 1, 1, 1, 1},    // one of all
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			g := attentionGraph(c.heads, c.width, c.widthV)
			r := rand.New(rand.NewPCG(1, 2))
			in := []*graph.Tensor{normal(r, 1, c.n, c.tokens, c.heads*c.width), normal(r, 1, c.m, c.rows, c.heads*c.width), normal(r, 1, c.m, c.rows, c.heads*c.widthV)}
			slow, err := reference.New(g, 1)
			if err != nil {
				t.Fatal(err)
			}
			want, err := slow.RunInputs(context.Background(), in)
			if err != nil {
				t.Fatal(err)
			}
			b := want[0].Float64s()
			var first []float32
			for _, isa := range ISAs() {
				for _, threads := range []int{1, 3} {
					s, err := New(g, Options{Threads: threads, ISA: isa})
					if err != nil {
						t.Fatal(err)
					}
					if n := len(s.model.program.ops); n != 1 {
						t.Errorf("%d operators, want one", n)
					}
					got, err := s.RunInputs(context.Background(), in)
					s.Close()
					if err != nil {
						t.Fatal(err)
					}
					a := got[0].Float32s()
					for i := range b {
						if !(math.Abs(float64(a[i])-b[i]) <= 2e-5) {
							t.Fatalf("%s: element %d is %v, want %v", isa, i, a[i], b[i])
						}
					}
					if threads == 1 {
						first = a
					} else if !slices.Equal(a, first) {
						t.Errorf("%s: other bits with %d threads", isa, threads)
					}
				}
			}
		})
	}
}

// TestAttentionIsFound: what is only like an attention is computed as it stands.
func TestAttentionIsFound(t *testing.T) {
	for name, change := range map[string]func(g *graph.Graph){
		"softmax over another axis": func(g *graph.Graph) { node(g, "weights").Op = graph.Softmax{Axis: -2} },
		"scores that are an output": func(g *graph.Graph) { g.Outputs = append(g.Outputs, node(g, "scores").Output) },
		"another order of heads":    func(g *graph.Graph) { node(g, "y").Op = graph.Reshape{Shape: []int{0, -1, 48}} },
	} {
		g := attentionGraph(4, 8, 12)
		change(g)
		s, err := New(g, Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		for _, o := range s.model.program.ops {
			if strings.Contains(o.base().kind, "Attention") {
				t.Errorf("%s: found an attention", name)
			}
		}
		s.Close()
	}
}

func node(g *graph.Graph, name string) *graph.Node {
	return g.Nodes[slices.IndexFunc(g.Nodes, func(n *graph.Node) bool { return n.Name() == name })]
}

// TestMapProduct: sums of channels of feature maps, with weights that are computed.
func TestMapProduct(t *testing.T) {
	shape := func(batch string, rest ...int) *graph.Type {
		return &graph.Type{DType: graph.Float32, Shape: append(graph.Shape{graph.Symbol(batch)}, graph.FixedShape(rest...)...)}
	}
	g := &graph.Graph{Inputs: []*graph.Value{{Name: "w", Type: shape("n", 4, 20)}, {Name: "x", Type: shape("m", 20, 9, 7)}}}
	flat := g.Add("flat", graph.Reshape{Shape: []int{0, 20, 63}}, g.Inputs[1])
	g.Outputs = []*graph.Value{g.Add("y", graph.Reshape{Shape: []int{0, 4, 9, 7}}, g.Add("product", graph.MatMul{}, g.Inputs[0], flat))}
	s, err := New(g, Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	slow, err := reference.New(g, 1)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(s.model.program.ops); n != 1 {
		t.Errorf("%d operators, want one", n)
	}
	r := rand.New(rand.NewPCG(1, 2))
	for _, batch := range [][2]int{{1, 1}, {3, 1}, {1, 2}, {2, 2}} {
		in := []*graph.Tensor{normal(r, 1, batch[0], 4, 20), normal(r, 1, batch[1], 20, 9, 7)}
		got, err := s.RunInputs(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		want, err := slow.RunInputs(context.Background(), in)
		if err != nil {
			t.Fatal(err)
		}
		a, b := got[0].Float64s(), want[0].Float64s()
		for i := range b {
			if !(math.Abs(a[i]-b[i]) <= 2e-5) {
				t.Fatalf("%v: element %d is %v, want %v", batch, i, a[i], b[i])
			}
		}
	}
}

// BenchmarkAttention is seven tokens that look at 64×64 pixels, and the other way round, fused and as
// the graph has it.
func BenchmarkAttention(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	few, many := normal(r, 1, 1, 7, 128), normal(r, 1, 1, 4096, 128)
	for name, in := range map[string][]*graph.Tensor{"tokens to pixels": {few, many, many}, "pixels to tokens": {many, few, few}} {
		for _, fuse := range []bool{true, false} {
			b.Run(fmt.Sprintf("%s/fused=%v", name, fuse), func(b *testing.B) {
				g := attentionGraph(8, 16, 16)
				if !fuse {
					g.Outputs = append(g.Outputs, node(g, "scores").Output)
				}
				s, err := New(g, Options{Threads: 1})
				if err != nil {
					b.Fatal(err)
				}
				defer s.Close()
				for b.Loop() {
					if _, err := s.RunInputs(context.Background(), in); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
