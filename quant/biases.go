package quant

import "github.com/repvit-go/repvit/graph"

// FloatBiases returns g with biases that are floats where [Quantize] made them int32, for formats and types
// that have no int32 biases: their scale, the product of two, is less than float16 holds. g is not changed.
func FloatBiases(g *graph.Graph) *graph.Graph {
	g = g.Clone()
	for i, n := range g.Nodes {
		if _, ok := n.Op.(graph.DequantizeLinear); !ok {
			continue
		}
		x, s, z := n.Inputs[0].Const, n.Inputs[1].Const, n.Inputs[2].Const
		if x == nil || s == nil || z == nil || x.DType != graph.Int32 || s.DType != graph.Float32 || len(s.Shape) > 1 || len(x.Shape) != 1 {
			continue
		}
		scales, zeros := s.Float64s(), z.Float64s()
		out := make([]float32, x.Len())
		for k, v := range x.Float64s() {
			out[k] = float32((v - zeros[min(k, len(zeros)-1)]) * scales[min(k, len(scales)-1)])
		}
		bias := graph.Weight(n.Output.Name, graph.Float32Tensor(x.Shape, out))
		for _, reader := range g.Nodes[i+1:] {
			for k, v := range reader.Inputs {
				if v == n.Output {
					reader.Inputs[k] = bias
				}
			}
		}
	}
	g.Prune()
	return g
}
