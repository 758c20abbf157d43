package quant

import "github.com/repvit-go/repvit/graph"

// split returns the part of a network that int8 is for, and the nodes behind it, which stay as
// they are. A detector's part ends with the feature maps that regions are cut out of, because
// where objects are follows from smaller differences than int8 has. What else decides, or only
// enlarges a map, is left out so that the loss is measured on what is decided about.
func split(g *graph.Graph) (part *graph.Graph, behind []*graph.Node) {
	producers := g.Producers()
	var ends []*graph.Value
	for _, n := range g.Nodes {
		if r, ok := n.Op.(graph.RoiAlign); ok {
			ends = append(ends, n.Inputs[:len(r.Strides)]...)
		}
	}
	if ends == nil {
		for _, v := range g.Outputs {
			for n := producers[v]; n != nil && (n.Is(graph.Decides) || n.Op.Kind() == graph.Resize{}.Kind()); n = producers[v] {
				v = n.Inputs[0]
			}
			ends = append(ends, v)
		}
	}
	part = &graph.Graph{Name: g.Name, Inputs: g.Inputs, Outputs: ends, Nodes: g.Nodes, Metadata: g.Metadata}
	part.Prune()
	inside := map[*graph.Node]bool{}
	for _, n := range part.Nodes {
		inside[n] = true
	}
	part.Outputs = nil
	add := func(v *graph.Value) {
		if inside[producers[v]] && !part.IsOutput(v) {
			part.Outputs = append(part.Outputs, v)
		}
	}
	for _, n := range g.Nodes {
		if inside[n] {
			continue
		}
		behind = append(behind, n)
		for _, v := range n.Inputs {
			add(v)
		}
	}
	for _, v := range g.Outputs {
		add(v)
	}
	if len(part.Outputs) == 0 || len(behind) == 0 {
		return g, nil
	}
	return part, behind
}

// join returns the quantized part of g with the nodes behind it.
func join(part, g *graph.Graph, behind []*graph.Node) *graph.Graph {
	at := map[string]*graph.Value{}
	for _, v := range append(part.Inputs[:len(part.Inputs):len(part.Inputs)], part.Outputs...) {
		at[v.Name] = v
	}
	whole := &graph.Graph{Name: part.Name, Inputs: part.Inputs, Nodes: part.Nodes, Metadata: part.Metadata}
	find := func(vs []*graph.Value) []*graph.Value {
		var found []*graph.Value
		for _, v := range vs {
			if w := at[v.Name]; w != nil && v.Const == nil {
				v = w
			}
			found = append(found, v)
		}
		return found
	}
	for _, n := range behind {
		whole.Nodes = append(whole.Nodes, &graph.Node{Op: n.Op, Inputs: find(n.Inputs), Output: n.Output, Further: n.Further})
	}
	whole.Outputs = find(g.Outputs)
	return whole.Clone()
}

// separate gives each layer weights of its own: what several share is scaled and rounded for
// each, by what each reads.
func separate(g *graph.Graph) {
	read, taken := map[*graph.Value]bool{}, map[string]bool{}
	for _, v := range g.Weights() {
		taken[v.Name] = true
	}
	for _, n := range g.Nodes {
		for _, v := range n.Outputs() {
			taken[v.Name] = true
		}
	}
	for _, n := range g.Nodes {
		for i, v := range n.Inputs {
			switch {
			case v.Const == nil || !weighted(n):
			case !read[v]:
				read[v] = true
			default:
				name := n.Output.Name + "." + v.Name
				for taken[name] {
					name += "_"
				}
				taken[name] = true
				n.Inputs[i] = graph.Weight(name, v.Const)
			}
		}
	}
}
