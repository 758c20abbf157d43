package reference

import (
	"fmt"
	"math/rand/v2"

	"github.com/repvit-go/repvit/graph"
)

// builder makes networks of RepViT's form (arXiv 2307.09283) with random weights.
type builder struct {
	g   *graph.Graph
	rng *rand.Rand
	// training adds the branches and BatchNorm nodes that fusing takes away.
	training bool
}

func (b *builder) weight(name string, shape ...int) *graph.Value {
	n, fan := 1, 1
	for i, d := range shape {
		n *= d
		if i > 0 {
			fan *= d
		}
	}
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(b.rng.NormFloat64() / float64(fan))
	}
	return graph.Weight(name, graph.Float32Tensor(shape, v))
}

func (b *builder) norm(name string, x *graph.Value, c int) *graph.Value {
	ones := make([]float32, c)
	for i := range ones {
		ones[i] = 0.5 + b.rng.Float32()
	}
	return b.g.Add(name, graph.BatchNorm{Epsilon: 1e-5}, x,
		b.weight(name+".weight", c), b.weight(name+".bias", c), b.weight(name+".mean", c),
		graph.Weight(name+".var", graph.Float32Tensor([]int{c}, ones)))
}

func (b *builder) conv(name string, x *graph.Value, in, out, k, stride, group int) *graph.Value {
	op := graph.Conv{Strides: [2]int{stride, stride}, Pads: [4]int{k / 2, k / 2, k / 2, k / 2}, Group: group}
	w := b.weight(name+".w", out, in/group, k, k)
	if !b.training {
		return b.g.Add(name, op, x, w, b.weight(name+".b", out))
	}
	return b.norm(name, b.g.Add(name+".c", op, x, w), out)
}

func (b *builder) mixer(name string, x *graph.Value, c int) *graph.Value {
	y := b.conv(name, x, c, c, 3, 1, c)
	if !b.training {
		return y
	}
	y = b.g.Add(name+".branches", graph.Add{}, y, b.conv(name+".1x1", x, c, c, 1, 1, c))
	return b.norm(name+".bn", b.g.Add(name+".sum", graph.Add{}, y, x), c)
}

func (b *builder) ffn(name string, x *graph.Value, c int) *graph.Value {
	y := b.g.Add(name+".gelu", graph.Gelu{}, b.conv(name+".expand", x, c, 2*c, 1, 1, 1))
	return b.g.Add(name, graph.Add{}, x, b.conv(name+".project", y, 2*c, c, 1, 1, 1))
}

func (b *builder) se(name string, x *graph.Value, c int) *graph.Value {
	y := b.g.Add(name+".pool", graph.GlobalAveragePool{}, x)
	op := graph.Conv{Strides: [2]int{1, 1}, Group: 1}
	y = b.g.Add(name+".fc1", op, y, b.weight(name+".w1", c/4, c, 1, 1), b.weight(name+".b1", c/4))
	y = b.g.Add(name+".relu", graph.Relu{}, y)
	y = b.g.Add(name+".fc2", op, y, b.weight(name+".w2", c, c/4, 1, 1), b.weight(name+".b2", c))
	return b.g.Add(name, graph.Mul{}, x, b.g.Add(name+".gate", graph.Sigmoid{}, y))
}

// repvit returns a network with squeeze-and-excitation in every other block and two heads.
func repvit(training bool, size, classes int, widths, blocks []int) *graph.Graph {
	b := &builder{g: &graph.Graph{}, rng: rand.New(rand.NewPCG(1, 2)), training: training}
	x := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32,
		Shape: graph.Shape{graph.Symbol("batch"), graph.Fixed(3), graph.Fixed(size), graph.Fixed(size)}}}
	b.g.Inputs = []*graph.Value{x}
	c := widths[0]
	x = b.g.Add("stem.gelu", graph.Gelu{}, b.conv("stem.0", x, 3, c/2, 3, 2, 1))
	x = b.conv("stem.1", x, c/2, c, 3, 2, 1)
	for s, w := range widths {
		for i := range blocks[s] {
			name := fmt.Sprintf("stage%d.%d", s, i)
			if s > 0 && i == 0 {
				x = b.conv(name+".dw", x, c, c, 3, 2, c)
				x, c = b.conv(name+".pw", x, c, w, 1, 1, 1), w
			} else {
				x = b.mixer(name+".dw", x, c)
			}
			if i%2 == 0 {
				x = b.se(name+".se", x, c)
			}
			x = b.ffn(name, x, c)
		}
	}
	x = b.g.Add("flatten", graph.Flatten{}, b.g.Add("pool", graph.GlobalAveragePool{}, x))
	h1 := b.g.Add("head1", graph.Gemm{}, x, b.weight("head1.w", classes, c), b.weight("head1.b", classes))
	h2 := b.g.Add("head2", graph.Gemm{}, b.norm("head2.bn", x, c), b.weight("head2.w", classes, c), b.weight("head2.b", classes))
	b.g.Outputs = []*graph.Value{b.g.Add("logits", graph.Mean{}, h1, h2)}
	return b.g
}

func noise(seed uint64, shape ...int) *graph.Tensor {
	n, _ := graph.Numel(shape)
	rng := rand.New(rand.NewPCG(seed, 0))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(rng.NormFloat64())
	}
	return graph.Float32Tensor(shape, v)
}
