// Package optest holds small graphs, some for each operator of package graph, that the tests
// of every package run which knows operators: formats write and read them, engines compute
// them. An operator that a package forgets fails a test of that package. Only tests use it.
package optest

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// Case is a graph for an operator: one input "x" of float32, batch×12×height×width where it is not
// of one shape, and one output "y".
type Case struct {
	Name  string
	Op    graph.Op // what the case is for
	Graph *graph.Graph
	// Tolerance is the largest error in float32, as a part of the largest element.
	Tolerance float64
	// Opset is the first of ONNX that has a form for it, 0 for all.
	Opset int
}

// Shapes returns those that the case is computed with.
func (c Case) Shapes() [][]int {
	if shape, ok := c.Graph.Inputs[0].Type.Shape.Ints(); ok {
		return [][]int{shape}
	}
	return Shapes()
}

// Input returns one input.
func (c Case) Input() *graph.Tensor {
	shapes := c.Shapes()
	return Input(shapes[min(1, len(shapes)-1)])
}

// Jumps reports whether the result may change much where a value changes little, as by rounding.
func (c Case) Jumps() bool {
	return slices.ContainsFunc(c.Graph.Nodes, func(n *graph.Node) bool {
		c, converts := n.Op.(graph.Cast)
		return n.Op.Traits().Any(graph.Decides|graph.Coordinates) || converts && !c.To.IsFloat()
	})
}

// Channels is what the inputs have.
const Channels = 12

// Shapes are those of inputs, with rests for every length of vector.
func Shapes() [][]int { return [][]int{{1, Channels, 9, 7}, {2, Channels, 8, 17}, {3, Channels, 3, 3}} }

// Input returns normally distributed numbers, the same each time.
func Input(shape []int) *graph.Tensor {
	n, err := graph.Numel(shape)
	if err != nil {
		panic(err)
	}
	r := rand.New(rand.NewPCG(7, 11))
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(2 * r.NormFloat64())
	}
	return graph.Float32Tensor(shape, v)
}

// Cases returns those of [table] and [regions], and for each activation function how it stands behind
// other operators, into which engines fuse it.
func Cases() []Case {
	var all []Case
	for _, t := range slices.Concat(table, regions) {
		all = append(all, t.make())
		if !t.op.Traits().Has(graph.Activation) {
			continue
		}
		for _, f := range before {
			all = append(all, row{name: t.name + " behind " + f.name, op: t.op, tolerance: 4e-6, build: func(b *builder, x *graph.Value) *graph.Value {
				return f.build(b, x, func(x *graph.Value) *graph.Value { return b.add(t.op, x) })
			}}.make())
		}
	}
	return all
}

// row describes a case.
type row struct {
	name      string
	op        graph.Op
	tolerance float64
	build     func(b *builder, x *graph.Value) *graph.Value
	shape     []int // of the input, where it is one
	opset     int
}

func (t row) make() Case {
	in := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{
		graph.Symbol("batch"), graph.Fixed(Channels), graph.Symbol("height"), graph.Symbol("width")}}}
	b := &builder{Graph: &graph.Graph{Name: "case", Inputs: []*graph.Value{in}}, r: rand.New(rand.NewPCG(1, 2))}
	if t.shape != nil {
		in.Type.Shape = graph.FixedShape(t.shape...)
	}
	y := t.build(b, in)
	y.Name = "y"
	b.Outputs = append([]*graph.Value{y}, b.Outputs...)
	if err := b.Validate(); err != nil {
		panic(fmt.Sprintf("optest: %s: %v", t.name, err))
	}
	return Case{Name: t.name, Op: t.op, Graph: b.Graph, Tolerance: t.tolerance, Opset: t.opset}
}

// builder makes graphs with random weights.
type builder struct {
	*graph.Graph
	r *rand.Rand
	n int
}

// add appends a node with a made-up name.
func (b *builder) add(op graph.Op, in ...*graph.Value) *graph.Value {
	b.n++
	return b.Add(fmt.Sprintf("%s%d", op.Kind(), b.n), op, in...)
}

func (b *builder) constant(t *graph.Tensor) *graph.Value {
	b.n++
	return graph.Weight(fmt.Sprintf("weight%d", b.n), t)
}

func (b *builder) normal(deviation float64, shape ...int) *graph.Value {
	return b.random(shape, func() float64 { return deviation * b.r.NormFloat64() })
}

func (b *builder) positive(shape ...int) *graph.Value {
	return b.random(shape, func() float64 { return 0.5 + b.r.Float64() })
}

func (b *builder) random(shape []int, f func() float64) *graph.Value {
	n, _ := graph.Numel(shape)
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(f())
	}
	return b.constant(graph.Float32Tensor(shape, v))
}

// conv appends a convolution with bias, whose padding keeps the size but for the stride.
func (b *builder) conv(x *graph.Value, cin, cout, kernel, stride, group int) *graph.Value {
	p := (kernel - 1) / 2
	fan := float64(cin / group * kernel * kernel)
	return b.add(graph.Conv{Strides: [2]int{stride, stride}, Pads: [4]int{p, p, p, p}, Group: group}, x,
		b.normal(1/math.Sqrt(fan), cout, cin/group, kernel, kernel), b.normal(0.1, cout))
}

// top is the sum of what TopK finds and of where it does, which counts little: numbers that
// float16 makes equal change places.
func (b *builder) top(x *graph.Value, op graph.TopK) *graph.Value {
	b.n++
	found := b.AddSeveral([]string{fmt.Sprintf("values%d", b.n), fmt.Sprintf("indices%d", b.n)}, op, x)
	where := b.add(graph.Mul{}, b.add(graph.Cast{To: graph.Float32}, found[1]), b.constant(graph.Float32Tensor([]int{}, []float32{1e-3})))
	return b.add(graph.Add{}, found[0], where)
}

// vector is the mean of every channel, N×12.
func (b *builder) vector(x *graph.Value) *graph.Value {
	return b.add(graph.Flatten{}, b.add(graph.GlobalAveragePool{}, x))
}

// The quantization of activations in int8 graphs. Scales are a little different from each
// other, so that numbers seldom lie between two integers.
const (
	step = 0.03
	zero = 130
)

// Int8 returns a copy of g in which every operator that may be quantized reads and gives
// uint8, and has int8 weights, and the scale of its result, 0 where that is not quantized;
// nil where there is no such operator.
func Int8(g *graph.Graph) (*graph.Graph, float64) {
	c := g.Clone()
	nodes := c.Nodes
	c.Nodes = nil
	b := &builder{Graph: c, n: len(nodes) + 1<<16} // names that nothing has
	rounded := map[*graph.Value]*graph.Value{}
	scales := map[*graph.Value]float32{} // of what is rounded
	found := false
	round := func(v *graph.Value) {
		s := step * (1 + float32(len(rounded))/61)
		rounded[v] = b.rounded(v, s)
		scales[rounded[v]] = s
	}
	for _, n := range nodes {
		if !n.Is(graph.Quantizable) || slices.ContainsFunc(n.Inputs, func(v *graph.Value) bool { return v.Const != nil }) && !n.Is(graph.Linear) {
			for i, v := range n.Inputs {
				if r := rounded[v]; r != nil {
					n.Inputs[i] = r
				}
			}
			c.Nodes = append(c.Nodes, n)
			continue
		}
		found = true
		var weights []float32
		for i, v := range n.Inputs {
			switch {
			case v.Const != nil && i == 1:
				n.Inputs[i], weights = b.weight8(v)
			case v.Const != nil:
				n.Inputs[i] = b.bias32(v, weights, scales[n.Inputs[0]])
			default:
				if rounded[v] == nil {
					round(v)
				}
				n.Inputs[i] = rounded[v]
			}
		}
		c.Nodes = append(c.Nodes, n)
		round(n.Output)
	}
	y := c.Outputs[0]
	if !found {
		return nil, 0
	}
	r := rounded[y]
	if r != nil {
		y.Name, r.Name = "y.real", "y"
		c.Outputs[0] = r
	}
	return c, float64(scales[r])
}

// rounded quantizes and dequantizes.
func (b *builder) rounded(x *graph.Value, scale float32) *graph.Value {
	s, z := b.constant(graph.Float32Tensor([]int{}, []float32{scale})), b.constant(graph.Uint8Tensor([]int{}, []uint8{zero}))
	return b.add(graph.DequantizeLinear{}, b.add(graph.QuantizeLinear{}, x, s, z), s, z)
}

// weight8 quantizes a weight M×…, with a scale for each row.
func (b *builder) weight8(w *graph.Value) (*graph.Value, []float32) {
	rows := w.Const.Shape[0]
	v := w.Const.Float32s()
	k := len(v) / rows
	scales, q := make([]float32, rows), make([]int8, len(v))
	for r := range rows {
		top := float32(1e-6)
		for _, x := range v[r*k:][:k] {
			top = max(top, x, -x)
		}
		scales[r] = top / 127
		for i, x := range v[r*k:][:k] {
			q[r*k+i] = int8(math.RoundToEven(float64(x / scales[r])))
		}
	}
	return b.add(graph.DequantizeLinear{Axis: 0}, b.constant(graph.Int8Tensor(w.Const.Shape, q)),
		b.constant(graph.Float32Tensor([]int{rows}, scales)), b.constant(graph.Int8Tensor([]int{rows}, make([]int8, rows)))), scales
}

// bias32 quantizes a bias with the scale of the sums.
func (b *builder) bias32(v *graph.Value, weights []float32, input float32) *graph.Value {
	n := v.Const.Len()
	scales, q := make([]float32, n), make([]int32, n)
	for i, x := range v.Const.Float32s() {
		scales[i] = input * weights[i]
		q[i] = int32(math.RoundToEven(float64(x / scales[i])))
	}
	return b.add(graph.DequantizeLinear{Axis: 0}, b.constant(graph.Int32Tensor([]int{n}, q)),
		b.constant(graph.Float32Tensor([]int{n}, scales)), b.constant(graph.Int32Tensor([]int{n}, make([]int32, n))))
}
