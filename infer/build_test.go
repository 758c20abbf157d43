package infer

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/repvit-go/repvit/graph"
)

// builder makes graphs with random weights.
type builder struct {
	*graph.Graph
	r *rand.Rand
	n int
}

func newBuilder(channels int) *builder {
	g := &graph.Graph{Name: "test"}
	in := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{
		graph.Symbol("batch"), graph.Fixed(channels), graph.Symbol("height"), graph.Symbol("width")}}}
	g.Inputs = []*graph.Value{in}
	return &builder{Graph: g, r: rand.New(rand.NewPCG(1, 2))}
}

func (b *builder) input() *graph.Value { return b.Inputs[0] }

// add appends a node with a made-up name.
func (b *builder) add(op graph.Op, in ...*graph.Value) *graph.Value {
	b.n++
	return b.Add(fmt.Sprintf("%s%d", op.Kind(), b.n), op, in...)
}

// normal returns a weight with normally distributed elements.
func (b *builder) normal(deviation float64, shape ...int) *graph.Value {
	v := make([]float32, elements(shape))
	for i := range v {
		v[i] = float32(b.r.NormFloat64() * deviation)
	}
	return b.constant(graph.Float32Tensor(shape, v))
}

func (b *builder) positive(shape ...int) *graph.Value {
	v := make([]float32, elements(shape))
	for i := range v {
		v[i] = float32(0.5 + b.r.Float64())
	}
	return b.constant(graph.Float32Tensor(shape, v))
}

func (b *builder) constant(t *graph.Tensor) *graph.Value {
	b.n++
	return graph.Weight(fmt.Sprintf("weight%d", b.n), t)
}

// conv appends a convolution from cin to cout channels that keeps the deviation.
func (b *builder) conv(x *graph.Value, cin, cout, kernel, stride, group int) *graph.Value {
	return b.convolution(x, cin, cout, kernel, stride, group, true)
}

func (b *builder) convolution(x *graph.Value, cin, cout, kernel, stride, group int, bias bool) *graph.Value {
	in := cin / group
	p := (kernel - 1) / 2
	ws := []*graph.Value{x, b.normal(1/math.Sqrt(float64(in*kernel*kernel)), cout, in, kernel, kernel)}
	if bias {
		ws = append(ws, b.normal(0.1, cout))
	}
	return b.add(graph.Conv{Strides: [2]int{stride, stride}, Pads: [4]int{p, p, p, p}, Group: group}, ws...)
}

func (b *builder) batchNorm(x *graph.Value, c int) *graph.Value {
	return b.add(graph.BatchNorm{Epsilon: 1e-5}, x, b.positive(c), b.normal(0.1, c), b.normal(0.1, c), b.positive(c))
}

// variant is a network's size: stage widths, and for each stage a letter for each block,
// "1" with squeeze-and-excitation and "0" without.
type variant struct {
	name    string
	widths  []int
	blocks  []string
	classes int
}

var (
	m09 = variant{"M0.9", []int{48, 96, 192, 384}, []string{"100", "0100", "0101010101010100", "010"}, 1000}
	m11 = variant{"M1.1", []int{64, 128, 256, 512}, []string{"100", "0100", "01010101010100", "010"}, 1000}
	m23 = variant{"M2.3", []int{80, 160, 320, 640}, []string{"1010100", "01010100", "010101010101010101010101010101010100", "010"}, 1000}
)

// deploy builds the fused form of a RepViT.
func (v variant) deploy() *graph.Graph { return v.build(false, false) }

func (v variant) build(training, features bool) *graph.Graph {
	b := newBuilder(3)
	norm := func(x *graph.Value, cin, cout, kernel, stride, group int) *graph.Value {
		x = b.convolution(x, cin, cout, kernel, stride, group, !training)
		if training {
			x = b.batchNorm(x, cout)
		}
		return x
	}
	c := v.widths[0]
	x := b.add(graph.Gelu{}, norm(b.input(), 3, c/2, 3, 2, 1))
	x = norm(x, c/2, c, 3, 2, 1)
	for stage, blocks := range v.blocks {
		for i, se := range blocks {
			strided := stage > 0 && i == 0
			switch {
			case strided:
				x = norm(x, c, c, 3, 2, c)
			case training:
				y := b.add(graph.Add{}, norm(x, c, c, 3, 1, c), b.conv(x, c, c, 1, 1, c))
				x = b.batchNorm(b.add(graph.Add{}, y, x), c)
			default:
				x = b.conv(x, c, c, 3, 1, c)
			}
			if se == '1' {
				r := max(8, (c/4+4)/8*8)
				y := b.add(graph.GlobalAveragePool{}, x)
				y = b.add(graph.Relu{}, b.conv(y, c, r, 1, 1, 1))
				y = b.add(graph.Sigmoid{}, b.conv(y, r, c, 1, 1, 1))
				x = b.add(graph.Mul{}, x, y)
			}
			if strided {
				x = norm(x, c, v.widths[stage], 1, 1, 1)
				c = v.widths[stage]
			}
			y := b.add(graph.Gelu{}, norm(x, c, 2*c, 1, 1, 1))
			x = b.add(graph.Add{}, x, norm(y, 2*c, c, 1, 1, 1))
		}
		if features {
			b.Outputs = append(b.Outputs, x)
		}
	}
	if features {
		return b.Graph
	}
	x = b.add(graph.Flatten{}, b.add(graph.GlobalAveragePool{}, x))
	head := func(x *graph.Value) *graph.Value {
		if training {
			x = b.batchNorm(x, c)
		}
		return b.add(graph.Gemm{}, x, b.normal(1/math.Sqrt(float64(c)), v.classes, c), b.normal(0.1, v.classes))
	}
	out := head(x)
	if training {
		out = b.add(graph.Mean{}, out, head(x))
	}
	b.Outputs = []*graph.Value{out}
	return b.Graph
}

// image returns a random input.
func randomInput(shape ...int) *graph.Tensor {
	r := rand.New(rand.NewPCG(3, 4))
	v := make([]float32, elements(shape))
	for i := range v {
		v[i] = float32(r.NormFloat64())
	}
	return graph.Float32Tensor(shape, v)
}
