package quant

import (
	"context"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
)

// match returns g, a training form, with the running statistics of every BatchNorm of
// feature maps replaced by what the inputs cause in a network whose layers before are
// matched already. On these inputs every normalised value then has the mean β and the
// deviation γ that it had in training, channel by channel: the activations are those of
// real data as far as the checkpoint knows, whatever the images show. It returns nil where
// g has no such BatchNorm.
func match(ctx context.Context, g *graph.Graph, inputs *graph.Tensor, o Options) (*graph.Graph, error) {
	values := map[*graph.Value]*graph.Tensor{g.Inputs[0]: inputs}
	last := map[*graph.Value]int{} // node that reads a value last
	for i, n := range g.Nodes {
		for _, v := range n.Inputs {
			last[v] = i
		}
	}
	types, err := g.Infer(graph.FixedShape(inputs.Shape...))
	if err != nil {
		return nil, err
	}
	if err := graph.NewBudget(g, 0).CheckWork(g.Nodes, types, inputs.Len()); err != nil {
		return nil, err
	}
	found := false
	for i, n := range g.Nodes {
		if err := ctx.Err(); err != nil {
			return nil, err
		}
		o.Progress("statistics", i, len(g.Nodes))
		if bn, ok := n.Op.(graph.BatchNorm); ok && n.Inputs[3].Const != nil && n.Inputs[4].Const != nil && len(values[n.Inputs[0]].Shape) == 4 {
			mean, variance := statistics(values[n.Inputs[0]], bn.Epsilon)
			n.Inputs[3] = graph.Weight(n.Inputs[3].Name, mean)
			n.Inputs[4] = graph.Weight(n.Inputs[4].Name, variance)
			found = true
		}
		out, err := evaluate(ctx, n, values, o)
		if err != nil {
			return nil, err
		}
		for k, v := range n.Outputs() {
			values[v] = out[k]
		}
		for _, v := range n.Inputs {
			if last[v] == i {
				delete(values, v)
			}
		}
	}
	o.Progress("statistics", len(g.Nodes), len(g.Nodes))
	if !found {
		return nil, nil
	}
	return g, nil
}

// statistics returns mean and variance of every channel.
func statistics(t *graph.Tensor, epsilon float64) (mean, variance *graph.Tensor) {
	c := t.Shape[1]
	m := &moments{sum: make([]float64, c), square: make([]float64, c)}
	m.add(t)
	mu, s := make([]float32, c), make([]float32, c)
	for i := range c {
		e := m.sum[i] / m.n
		mu[i], s[i] = float32(e), float32(max(m.square[i]/m.n-e*e, epsilon))
	}
	return graph.Float32Tensor([]int{c}, mu), graph.Float32Tensor([]int{c}, s)
}

// nodeMemory is what a node alone may hold, which is more than any has: what it costs was
// checked with the whole network, by whose weights that is measured.
const nodeMemory = 1 << 40

// evaluate runs one node as a graph of its own.
func evaluate(ctx context.Context, n *graph.Node, values map[*graph.Value]*graph.Tensor, o Options) ([]*graph.Tensor, error) {
	// The engine takes one input; other operands that are not constant become constants.
	operands := make([]*graph.Value, len(n.Inputs))
	one := &graph.Graph{}
	for i, v := range n.Inputs {
		switch {
		case v.Const != nil:
			operands[i] = v
		case len(one.Inputs) == 0:
			t := values[v]
			one.Inputs = []*graph.Value{{Name: "input", Type: &graph.Type{DType: t.DType, Shape: graph.FixedShape(t.Shape...)}}}
			operands[i] = one.Inputs[0]
		case v == n.Inputs[0]:
			operands[i] = operands[0]
		default:
			operands[i] = graph.Weight(v.Name, values[v])
		}
	}
	one.Outputs = one.AddSeveral(names(n.Outputs()), n.Op, operands...)
	s, err := infer.New(one, infer.Options{Threads: o.Threads, MaxMemory: nodeMemory})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.RunAll(ctx, values[n.Inputs[0]])
}

func names(values []*graph.Value) []string {
	var list []string
	for _, v := range values {
		list = append(list, v.Name)
	}
	return list
}
