package quant

import (
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// network is a float32 graph with what the passes ask of it.
type network struct {
	g *graph.Graph
	// The graph that calibration data runs through: g, or one with other weights whose
	// values have the same names.
	watched   *graph.Graph
	types     map[*graph.Value]graph.Type
	producers map[*graph.Value]*graph.Node
	consumers map[*graph.Value][]*graph.Node
	integers  bool // logits are quantized as well
}

func newNetwork(g, watched *graph.Graph, input graph.Shape) (*network, error) {
	types, err := g.Infer(input)
	if err != nil {
		return nil, err
	}
	return &network{g: g, watched: watched, types: types, producers: g.Producers(), consumers: g.Consumers()}, nil
}

// dims returns the shape of v, whose axes are all known.
func (n *network) dims(v *graph.Value) []int {
	d, _ := n.types[v].Shape.Ints()
	return d
}

// weighted reports whether the node is a convolution or fully connected layer with constant
// weight and bias.
func weighted(n *graph.Node) bool {
	if !n.Is(graph.Linear | graph.Quantizable) {
		return false
	}
	for _, v := range n.Inputs[1:] {
		if v.Const == nil {
			return false
		}
	}
	return n.Inputs[0].Const == nil
}

// constant reports whether one of the node's operands is.
func constant(n *graph.Node) bool {
	return slices.ContainsFunc(n.Inputs, func(v *graph.Value) bool { return v.Const != nil })
}

// depthwise reports whether a convolution has one input channel for each output channel.
func depthwise(n *graph.Node) bool {
	c, ok := n.Op.(graph.Conv)
	return ok && c.Group > 1 && n.Inputs[1].Const.Shape[0] == c.Group && n.Inputs[1].Const.Shape[1] == 1
}

// pointwise reports whether n is a 1×1 convolution of a feature map, or fully connected.
func (n *network) pointwise(node *graph.Node) bool {
	if !weighted(node) {
		return false
	}
	c, ok := node.Op.(graph.Conv)
	if !ok {
		return true
	}
	s, in := node.Inputs[1].Const.Shape, n.dims(node.Inputs[0])
	return c.Group == 1 && s[2] == 1 && s[3] == 1 && in[2]*in[3] > 1
}

// scope returns the nodes to be quantized.
func (n *network) scope(s Scope) map[*graph.Node]bool {
	set := map[*graph.Node]bool{}
	for _, node := range n.g.Nodes {
		if node.Is(graph.Quantizable) && (s == All || n.pointwise(node)) && (weighted(node) || !node.Is(graph.Linear) && !constant(node)) {
			set[node] = true
		}
	}
	if s == Pointwise {
		for _, node := range n.g.Nodes {
			if node.Is(graph.Activation|graph.Quantizable) && set[n.producers[node.Inputs[0]]] && n.all(node.Output, set) {
				set[node] = true
			}
		}
	}
	return set
}

// all reports whether every consumer of v is in the set.
func (n *network) all(v *graph.Value, set map[*graph.Node]bool) bool {
	for _, c := range n.consumers[v] {
		if !set[c] {
			return false
		}
	}
	return len(n.consumers[v]) > 0 && !n.g.IsOutput(v)
}

// rectified returns the Relu that alone reads the output of a quantized convolution, which
// the quantizer's saturation at zero replaces.
func (n *network) rectified(node *graph.Node, set map[*graph.Node]bool) *graph.Node {
	if !weighted(node) || !set[node] || n.g.IsOutput(node.Output) || len(n.consumers[node.Output]) != 1 {
		return nil
	}
	c := n.consumers[node.Output][0]
	if _, ok := c.Op.(graph.Relu); ok && set[c] {
		return c
	}
	return nil
}

// quantizes reports whether the node's output is held in int8: it is quantized, and not a
// vector of logits, which leave the integer sums as float32 unless [Options].Integers is set.
func (n *network) quantizes(node *graph.Node, set map[*graph.Node]bool) bool {
	if node == nil || !set[node] || n.rectified(node, set) != nil {
		return false
	}
	_, gemm := node.Op.(graph.Gemm)
	return !gemm || n.integers || len(n.consumers[node.Output]) > 0 && n.all(node.Output, set)
}

// quantized returns the values that a graph with the given nodes in int8 holds quantized,
// in order.
func (n *network) quantized(set map[*graph.Node]bool) []*graph.Value {
	var vs []*graph.Value
	add := func(v *graph.Value, from *graph.Node) {
		need := n.quantizes(from, set)
		for _, c := range n.consumers[v] {
			need = need || set[c]
		}
		if need && (from == nil || n.rectified(from, set) == nil) {
			vs = append(vs, v)
		}
	}
	for _, v := range n.g.Inputs {
		add(v, nil)
	}
	for _, node := range n.g.Nodes {
		add(node.Output, node)
	}
	return vs
}
