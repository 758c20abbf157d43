package infer

import (
	"context"
	"fmt"

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
		all = all && len(n.Further) == 0 // what has several outputs runs as it is
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
				n.Inputs[i], types[c] = c, types[v]
			}
			all = all && n.Inputs[i].Const != nil
		}
		if !all || outputs[n.Output] || len(n.Further) != 0 {
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
		if packedOperands(n) {
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
	if f := lowerings[n.Op.Kind()].evaluate; f != nil {
		return f(n, out), nil
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
