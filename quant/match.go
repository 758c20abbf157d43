package quant

import (
	"context"
	"slices"

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
	tensor := func(v *graph.Value) *graph.Tensor {
		if v.Const != nil {
			return v.Const
		}
		return values[v]
	}
	// The first operand that is computed is the input, the others become constants.
	in := n.Inputs[max(0, slices.IndexFunc(n.Inputs, func(v *graph.Value) bool { return v.Const == nil }))]
	x := tensor(in)
	own := map[*graph.Value]*graph.Value{in: {Name: in.Name, Type: &graph.Type{DType: x.DType, Shape: graph.FixedShape(x.Shape...)}}}
	one := &graph.Graph{Inputs: []*graph.Value{own[in]}}
	operands := make([]*graph.Value, len(n.Inputs))
	for i, v := range n.Inputs {
		if own[v] == nil {
			own[v] = graph.Weight(v.Name, tensor(v))
		}
		operands[i] = own[v]
	}
	one.Outputs = one.AddSeveral(names(n.Outputs()), n.Op, operands...)
	s, err := infer.New(one, infer.Options{Threads: o.Threads, MaxMemory: nodeMemory})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	return s.RunAll(ctx, x)
}

func names(values []*graph.Value) []string {
	var list []string
	for _, v := range values {
		list = append(list, v.Name)
	}
	return list
}
