package infer

import (
	"math"
	"slices"
	"testing"

	"github.com/repvit-go/repvit/graph"
)

// scope says what a test network computes with integers.
type scope struct {
	name   string
	all    bool // everything; otherwise 1×1 convolutions outside of squeeze-and-excitation and the head
	real   bool // nothing is quantized between a product and its activation function or residual
	matmul bool // 1×1 convolutions are N×H×W×C MatMuls
}

var scopes = []scope{
	{name: "pointwise"},
	{name: "pointwise, float32 between", real: true},
	{name: "pointwise, MatMul", matmul: true},
	{name: "all", all: true},
}

// quantizing makes a graph with QuantizeLinear and DequantizeLinear nodes from another,
// with the ranges that values have for one input.
type quantizing struct {
	*builder
	scope
	t        testing.TB
	low, top map[string]float64
	values   map[*graph.Value]*graph.Value // float32 values of the new graph
	integers map[*graph.Value]*graph.Value // their quantized forms
}

// quantized returns g in quantized form.
func quantized(t testing.TB, g *graph.Graph, s scope, x *graph.Tensor) *graph.Graph {
	t.Helper()
	b := newBuilder(x.Shape[1])
	z := &quantizing{b, s, t, map[string]float64{}, map[string]float64{}, map[*graph.Value]*graph.Value{g.Inputs[0]: b.input()}, map[*graph.Value]*graph.Value{}}
	err := open(t, g, Options{}).Observe(t.Context(), x, func(v *graph.Value, a *graph.Tensor) error {
		z.low[v.Name], z.top[v.Name] = float64(slices.Min(a.Float32s())), float64(slices.Max(a.Float32s()))
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	consumers := g.Consumers()
	for _, n := range g.Nodes {
		z.node(n, consumers)
	}
	b.Outputs = nil
	for _, v := range g.Outputs {
		if s.all {
			b.Outputs = append(b.Outputs, z.value(v))
		} else {
			b.Outputs = append(b.Outputs, z.values[v])
		}
	}
	if err := b.Validate(); err != nil {
		t.Fatal(err)
	}
	return b.Graph
}

// params are the quantization of a value of the original graph.
func (z *quantizing) params(v *graph.Value) (scale float32, zero uint8) {
	low, top := min(z.low[v.Name], 0), max(z.top[v.Name], 0)
	scale = float32(max(top-low, 1e-3) / 255)
	return scale, uint8(math.RoundToEven(-low / float64(scale)))
}

// value returns v as float32, dequantized if it was quantized: every reader has a
// DequantizeLinear of its own.
func (z *quantizing) value(v *graph.Value) *graph.Value {
	if q, ok := z.integers[v]; ok {
		scale, zero := z.params(v)
		return z.dequantize(q, scale, zero)
	}
	return z.values[v]
}

// rounded returns v dequantized after being quantized.
func (z *quantizing) rounded(v *graph.Value) *graph.Value {
	z.quantize(v)
	return z.value(v)
}

// quantize quantizes a value once.
func (z *quantizing) quantize(v *graph.Value) {
	if _, ok := z.integers[v]; !ok {
		scale, zero := z.params(v)
		z.integers[v] = z.add(graph.QuantizeLinear{}, z.values[v], z.scalar(scale), z.constant(graph.Uint8Tensor(nil, []uint8{zero})))
	}
}

func (b *builder) scalar(v float32) *graph.Value {
	return b.constant(graph.Float32Tensor(nil, []float32{v}))
}

func (b *builder) quantize(x *graph.Value, scale float32, zero uint8) *graph.Value {
	return b.add(graph.QuantizeLinear{}, x, b.scalar(scale), b.constant(graph.Uint8Tensor(nil, []uint8{zero})))
}

func (b *builder) dequantize(q *graph.Value, scale float32, zero uint8) *graph.Value {
	return b.add(graph.DequantizeLinear{}, q, b.scalar(scale), b.constant(graph.Uint8Tensor(nil, []uint8{zero})))
}

// weight returns w quantized to int8, one scale for each index of an axis, and dequantized
// again, and the scales.
func (b *builder) weight8(w *graph.Tensor, axis int) (*graph.Value, []float32) {
	n := w.Shape[axis]
	inner := elements(w.Shape[axis+1:])
	v := w.Float32s()
	scale := make([]float32, n)
	for i, x := range v {
		c := i / inner % n
		scale[c] = max(scale[c], float32(math.Abs(float64(x)))/127)
	}
	q := make([]int8, len(v))
	for i, x := range v {
		q[i] = int8(math.RoundToEven(float64(x / scale[i/inner%n])))
	}
	return b.add(graph.DequantizeLinear{Axis: axis}, b.constant(graph.Int8Tensor(w.Shape, q)),
		b.constant(graph.Float32Tensor([]int{n}, scale)), b.constant(graph.Int8Tensor([]int{n}, make([]int8, n)))), scale
}

// bias32 returns a bias quantized to int32 and dequantized again.
func (b *builder) bias32(bias []float32, shape []int, in float32, weights []float32) *graph.Value {
	n := len(bias)
	q, scale := make([]int32, n), make([]float32, n)
	for i, x := range bias {
		scale[i] = in * weights[i]
		q[i] = int32(math.RoundToEven(float64(x / scale[i])))
	}
	return b.add(graph.DequantizeLinear{Axis: len(shape) - 1}, b.constant(graph.Int32Tensor(shape, q)),
		b.constant(graph.Float32Tensor([]int{n}, scale)), b.constant(graph.Int32Tensor([]int{n}, make([]int32, n))))
}

// node translates one node.
func (z *quantizing) node(n *graph.Node, consumers map[*graph.Value][]*graph.Node) {
	conv, isConv := n.Op.(graph.Conv)
	_, gemm := n.Op.(graph.Gemm)
	point := isConv && conv.Group == 1 && n.Inputs[1].Const.Shape[2] == 1 && !z.excitation(n, consumers)
	if z.all && (isConv || gemm) || point || gemm {
		scale, _ := z.params(n.Inputs[0])
		x := z.rounded(n.Inputs[0])
		bias := n.Inputs[2].Const.Float32s()
		if z.matmul && point {
			s := n.Inputs[1].Const.Shape
			t := graph.Float32Tensor([]int{s[1], s[0]}, transposed(n.Inputs[1].Const.Float32s(), s[0], s[1]))
			w, _ := z.weight8(t, 1)
			x = z.add(graph.Transpose{Perm: []int{0, 2, 3, 1}}, x)
			y := z.add(graph.MatMul{}, x, w)
			y = z.add(graph.Add{}, y, z.constant(graph.Float32Tensor([]int{1, 1, 1, s[0]}, bias)))
			z.values[n.Output] = z.add(graph.Transpose{Perm: []int{0, 3, 1, 2}}, y)
		} else {
			w, scales := z.weight8(n.Inputs[1].Const, 0)
			z.values[n.Output] = z.add(n.Op, x, w, z.bias32(bias, []int{len(bias)}, scale, scales))
		}
		switch {
		case z.all:
			z.quantize(n.Output)
		case !z.real:
			scale, zero := z.params(n.Output)
			z.values[n.Output] = z.dequantize(z.builder.quantize(z.values[n.Output], scale, zero), scale, zero)
		}
		return
	}
	var in []*graph.Value
	for _, v := range n.Inputs {
		if v.Const != nil {
			in = append(in, z.constant(v.Const))
			continue
		}
		if z.all {
			in = append(in, z.rounded(v))
		} else {
			in = append(in, z.values[v])
		}
	}
	z.values[n.Output] = z.add(n.Op, in...)
	if _, flat := n.Op.(graph.Flatten); z.all && !flat {
		z.quantize(n.Output)
	}
}

// excitation reports whether a convolution is part of squeeze-and-excitation.
func (z *quantizing) excitation(n *graph.Node, consumers map[*graph.Value][]*graph.Node) bool {
	for _, m := range z.producers(n) {
		switch m {
		case "GlobalAveragePool", "Relu":
			return true
		}
	}
	return false
}

// producers returns the kinds of the nodes that compute n's first operand.
func (z *quantizing) producers(n *graph.Node) []string {
	v := z.values[n.Inputs[0]]
	for _, m := range z.Nodes {
		if m.Output == v {
			return []string{m.Op.Kind()}
		}
	}
	return nil
}
