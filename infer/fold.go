package infer

import (
	"context"
	"fmt"
	"math"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// fold returns g with every node that depends on constants alone replaced by a constant.
// Conversions are evaluated here, exactly as their operators are defined; whatever else
// there may be is run by the engine itself. Weights in the sense of [dequantizedLater] have
// no elements yet.
func fold(g *graph.Graph, w *weights) (*graph.Graph, error) {
	constant := map[*graph.Value]bool{}
	found := false
	for _, n := range g.Nodes {
		all := true
		for _, v := range n.Inputs {
			all = all && (v.Const != nil || constant[v])
		}
		constant[n.Output] = all
		found = found || all
	}
	if !found {
		return g, nil
	}
	later := dequantizedLater(g)
	g = g.Clone()
	values := map[*graph.Value]*graph.Value{}
	kept := g.Nodes[:0:0]
	types, err := g.Infer()
	if err != nil {
		return nil, err
	}
	outputs, account := outputs(g), w.budget.Folding()
	for _, n := range g.Nodes {
		all := true
		for i, v := range n.Inputs {
			if c, ok := values[v]; ok {
				n.Inputs[i] = c
			}
			all = all && n.Inputs[i].Const != nil
		}
		if !all || outputs[n.Output] {
			kept = append(kept, n)
			continue
		}
		if err := account.Add(n, types); err != nil {
			return nil, fmt.Errorf("%s (%s): %w", n.Name(), n.Op.Kind(), err)
		}
		if later[n.Name()] {
			values[n.Output] = graph.Weight(n.Name(), &graph.Tensor{DType: types[n.Output].DType, Shape: n.Inputs[0].Const.Shape})
			continue
		}
		t, err := evaluate(n, types[n.Output], w.set)
		if err != nil {
			return nil, fmt.Errorf("%s (%s): %w", n.Name(), n.Op.Kind(), err)
		}
		values[n.Output] = graph.Weight(n.Name(), t)
	}
	g.Nodes = kept
	return g, nil
}

// strip frees the elements of the weights that fold made and that are packed now; what the
// graph is still needed for, shapes, remains.
func strip(folded, original *graph.Graph) {
	if folded == original {
		return
	}
	names := map[string]bool{} // of weights that the caller owns or plans read
	for _, v := range original.Weights() {
		names[v.Name] = true
	}
	for _, n := range folded.Nodes {
		read := n.Inputs
		switch n.Op.(type) {
		case graph.Conv, graph.Gemm, graph.MatMul, graph.BatchNorm:
			read = read[:1]
		}
		for _, v := range read {
			names[v.Name] = true
		}
	}
	for _, v := range folded.Weights() {
		if !names[v.Name] {
			v.Const = &graph.Tensor{DType: v.Const.DType, Shape: v.Const.Shape}
		}
	}
}

// evaluate computes a node whose operands are constants.
func evaluate(n *graph.Node, out graph.Type, set *kernel.Float32) (*graph.Tensor, error) {
	x := n.Inputs[0].Const
	switch op := n.Op.(type) {
	case graph.Cast:
		return convert(x, op.To), nil
	case graph.DequantizeLinear:
		s := newScales(op.Axis, n.Inputs[1].Const.Float64s(), n.Inputs[2].Const.Float64s(), x.Shape)
		v := make([]float32, x.Len())
		for i, q := range x.Float64s() {
			k := s.at(i)
			v[i] = float32((q - s.zero[k]) * s.scale[k])
		}
		return convert(graph.Float32Tensor(x.Shape, v), out.DType), nil
	case graph.QuantizeLinear:
		s := newScales(op.Axis, n.Inputs[1].Const.Float64s(), n.Inputs[2].Const.Float64s(), x.Shape)
		v := make([]float32, x.Len())
		low, high := limits(out.DType)
		for i, f := range x.Float64s() {
			k := s.at(i)
			v[i] = float32(quantize(f, s.scale[k], s.zero[k], low, high))
		}
		return convert(graph.Float32Tensor(x.Shape, v), out.DType), nil
	}
	return evaluateNode(n, set)
}

// evaluateNode runs a node as a graph of its own, its first operand being the input.
func evaluateNode(n *graph.Node, set *kernel.Float32) (*graph.Tensor, error) {
	x := n.Inputs[0].Const
	in := &graph.Value{Name: "x", Type: &graph.Type{DType: x.DType, Shape: graph.FixedShape(x.Shape...)}}
	one := &graph.Graph{Inputs: []*graph.Value{in}}
	operands := append([]*graph.Value{in}, n.Inputs[1:]...)
	for i, v := range operands {
		if v == n.Inputs[0] {
			operands[i] = in
		}
	}
	one.Outputs = []*graph.Value{one.Add(n.Name(), n.Op, operands...)}
	s, err := newSession(one, set, Options{Threads: 1})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.Run(context.Background(), x)
}

// scales are the scale and zero point of each element of a tensor.
type scales struct {
	scale, zero   []float64
	inner, length int
}

func newScales(axis int, scale, zero []float64, shape []int) scales {
	s := scales{scale: scale, zero: zero, inner: 1, length: 1}
	if len(scale) > 1 {
		s.inner, s.length = elements(shape[axis+1:]), shape[axis]
	}
	return s
}

// at returns the index of the scale of element i.
func (s scales) at(i int) int { return i / s.inner % s.length }

// quantize is QuantizeLinear of one value. NaN becomes the zero point.
func quantize(x, scale, zero, low, high float64) float64 {
	q := math.RoundToEven(x/scale) + zero
	if q != q {
		return zero
	}
	return min(max(q, low), high)
}

// limits returns the range of an integer type.
func limits(d graph.DType) (low, high float64) {
	switch d {
	case graph.Uint8:
		return 0, 255
	case graph.Int8:
		return -128, 127
	case graph.Int32:
		return math.MinInt32, math.MaxInt32
	}
	return -(1 << 63), 1<<63 - 1024
}

// convert returns t with elements of another type: floats are rounded to nearest even,
// floats become integers by truncation, with saturation.
func convert(t *graph.Tensor, to graph.DType) *graph.Tensor {
	if t.DType == to {
		return t
	}
	switch to {
	case graph.Float32:
		return graph.Float32Tensor(t.Shape, t.Float32s())
	case graph.Float64:
		return graph.Float64Tensor(t.Shape, t.Float64s())
	case graph.Float16:
		v := t.Float32s()
		b := make([]byte, 0, 2*len(v))
		for _, x := range v {
			h := graph.Float16From32(x)
			b = append(b, byte(h), byte(h>>8))
		}
		return graph.RawTensor(to, t.Shape, b)
	case graph.Int8:
		return graph.Int8Tensor(t.Shape, truncated[int8](t))
	case graph.Uint8:
		return graph.Uint8Tensor(t.Shape, truncated[uint8](t))
	case graph.Int32:
		return graph.Int32Tensor(t.Shape, truncated[int32](t))
	}
	return graph.Int64Tensor(t.Shape, truncated[int64](t))
}

func truncated[T int8 | uint8 | int32 | int64](t *graph.Tensor) []T {
	low, high := limits(map[int]graph.DType{1: graph.Int8, 2: graph.Uint8, 4: graph.Int32, 8: graph.Int64}[sizeCode[T]()])
	v := make([]T, t.Len())
	for i, x := range t.Float64s() {
		if x == x {
			v[i] = T(min(max(math.Trunc(x), low), high))
		}
	}
	return v
}

// sizeCode tells the integer types apart: their size, 2 for uint8.
func sizeCode[T int8 | uint8 | int32 | int64]() int {
	switch any(T(0)).(type) {
	case int8:
		return 1
	case uint8:
		return 2
	case int32:
		return 4
	}
	return 8
}
