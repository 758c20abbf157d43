package quant

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// Half returns g with float16 weights and float16 arithmetic; g is not changed. Inputs and
// outputs stay what they were: a float32 input passes a Cast to float16 first ("input.half"
// for an input named "input"), and every output is cast back under its own name, while the
// value before the cast is named "logits.half" for an output "logits". All other names and
// the metadata are kept.
//
// Weights are rounded to nearest even and saturate at ±65504 ([graph.Tensor.Half]). The
// running variance of a BatchNorm, which float16 may not hold, goes into its scale first.
// Values of other types than float32 and float64, those of a quantized graph, are left
// alone. So are coordinates ([graph.Coordinates]) and what is selected of them: operands become
// float32 again ("x.wide" for a value "x"), results float16 where others read them.
func Half(g *graph.Graph) *graph.Graph {
	g = g.Clone()
	types, err := g.Infer()
	if err != nil {
		return g // malformed before and after: Validate says why
	}
	wide := func(v *graph.Value) bool {
		d := types[v].DType
		return d == graph.Float32 || d == graph.Float64
	}
	nodes := g.Nodes
	g.Nodes = nil
	halves := map[*graph.Value]*graph.Value{}
	for _, v := range g.Inputs {
		if wide(v) {
			halves[v] = g.Add(v.Name+".half", graph.Cast{To: graph.Float16}, v)
		}
	}
	exact := map[*graph.Value]bool{} // stays float32
	wides := map[*graph.Value]*graph.Value{}
	for _, n := range nodes {
		if n.Is(graph.Coordinates) || n.Is(graph.Selects) && exact[n.Inputs[0]] {
			for i, v := range n.Inputs {
				if v.Const != nil || v.Type != nil || exact[v] || !wide(v) {
					continue
				}
				if wides[v] == nil {
					wides[v] = g.Add(v.Name+".wide", graph.Cast{To: types[v].DType}, v)
				}
				n.Inputs[i] = wides[v]
			}
			for _, v := range n.Outputs() {
				exact[v] = true
			}
			g.Nodes = append(g.Nodes, n)
			continue
		}
		for _, v := range n.Inputs {
			if exact[v] && halves[v] == nil && wide(v) {
				halves[v] = g.Add(v.Name+".half", graph.Cast{To: graph.Float16}, v)
			}
		}
		if bn, ok := n.Op.(graph.BatchNorm); ok {
			n.Op, n.Inputs = normalised(bn, n.Inputs)
		}
		if c, ok := n.Op.(graph.Cast); ok && wide(n.Output) {
			c.To = graph.Float16
			n.Op = c
		}
		for i, v := range n.Inputs {
			h := halves[v]
			if h == nil && v.Const != nil && (types[v].DType == 0 || wide(v)) && v.Const.DType.IsFloat() {
				h = graph.Weight(v.Name, v.Const.Half())
				halves[v] = h
			}
			if h != nil {
				n.Inputs[i] = h
			}
		}
		g.Nodes = append(g.Nodes, n)
	}
	for i, v := range g.Outputs {
		if !wide(v) || halves[v] != nil || exact[v] {
			continue // an input handed through, or what stayed float32
		}
		name := v.Name
		v.Name += ".half"
		g.Outputs[i] = g.Add(name, graph.Cast{To: types[v].DType}, v)
	}
	return g
}

// normalised rewrites a BatchNorm to variance 1: its scale becomes γ/√(σ²+ε).
func normalised(bn graph.BatchNorm, in []*graph.Value) (graph.BatchNorm, []*graph.Value) {
	if len(in) != 5 || in[1].Const == nil || in[4].Const == nil {
		return bn, in
	}
	gamma, variance := in[1].Const.Float64s(), in[4].Const.Float64s()
	scale, ones := make([]float32, len(gamma)), make([]float32, len(gamma))
	for i := range gamma {
		scale[i] = float32(gamma[i] / math.Sqrt(variance[i]+bn.Epsilon))
		ones[i] = 1
	}
	shape := []int{len(gamma)}
	return graph.BatchNorm{}, []*graph.Value{in[0],
		graph.Weight(in[1].Name, graph.Float32Tensor(shape, scale)), in[2], in[3],
		graph.Weight(in[4].Name, graph.Float32Tensor(shape, ones))}
}
