package infer

import (
	"github.com/repvit-go/repvit/graph"
)

// unsigned returns g with activations in uint8 where they are in int8 and only DequantizeLinear reads
// them, which the kernels are for: integers and zero points are 128 more, and the numbers that they
// stand for are the same. g is not changed.
func unsigned(g *graph.Graph) *graph.Graph {
	find := func(g *graph.Graph) (pairs [][]*graph.Node) {
		consumers, outputs := g.Consumers(), outputs(g)
		for _, n := range g.Nodes {
			if _, ok := n.Op.(graph.QuantizeLinear); !ok || outputs[n.Output] || !signedPoint(n) {
				continue
			}
			pair, all := []*graph.Node{n}, true
			for _, c := range consumers[n.Output] {
				_, ok := c.Op.(graph.DequantizeLinear)
				all = all && ok && c.Inputs[0] == n.Output && signedPoint(c)
				pair = append(pair, c)
			}
			if all {
				pairs = append(pairs, pair)
			}
		}
		return pairs
	}
	if len(find(g)) == 0 {
		return g
	}
	g = g.Clone()
	for _, pair := range find(g) {
		for _, n := range pair {
			z := n.Inputs[2]
			n.Inputs[2] = graph.Weight(z.Name+".unsigned", graph.Uint8Tensor(z.Const.Shape, []uint8{uint8(int(z.Const.Int8s()[0]) + 128)}))
		}
	}
	return g
}

// signedPoint reports whether a node's zero point is one constant of int8.
func signedPoint(n *graph.Node) bool {
	z := n.Inputs[2].Const
	return z != nil && z.DType == graph.Int8 && z.Len() == 1
}
