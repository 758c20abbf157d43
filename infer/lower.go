package infer

import (
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// program is a graph translated to the engine's operators, whatever the input's shape.
type program struct {
	graph   *graph.Graph // with constants folded
	ops     []operator
	uses    map[*graph.Value]int // how often operators read a value; outputs count once more
	weights *weights
}

// operator is one or several fused nodes of the graph.
type operator interface {
	base() *opBase
	// plan appends the steps that compute the operator's value for known shapes.
	plan(p *planner) error
}

// opBase is what all operators have.
type opBase struct {
	kind string         // ONNX names of the nodes: "Conv+Gelu"
	node *graph.Node    // the first of them
	in   []*graph.Value // data operands, the residual included
	out  *graph.Value   // what the last of them produces
	also []*graph.Value // its outputs behind the first
	// nodes are all of them, for counting multiplications.
	nodes []*graph.Node
}

func (o *opBase) base() *opBase { return o }

// lowering is the translation of one graph.
type lowering struct {
	g         *graph.Graph
	types     map[*graph.Value]graph.Type
	consumers map[*graph.Value][]*graph.Node
	outputs   map[*graph.Value]bool
	index     map[*graph.Value]int // of the node that produces a value
	fused     map[*graph.Node]bool // nodes that are part of an earlier operator
	fuse      bool
	w         *weights
	integers  integers
	last      map[*graph.Node]operator // of several nodes, by the last of them
}

// lower translates g. Without fuse every node's value is computed as such.
func lower(g *graph.Graph, w *weights, fuse bool, threads int) (*program, error) {
	if fuse {
		g = unsigned(g)
	}
	original := g
	g, err := fold(g, w)
	if err != nil {
		return nil, err
	}
	l := &lowering{g: g, consumers: g.Consumers(), outputs: outputs(g), index: map[*graph.Value]int{}, fused: map[*graph.Node]bool{}, fuse: fuse, w: w}
	if l.types, err = g.Infer(); err != nil {
		return nil, err
	}
	for i, n := range g.Nodes {
		for _, v := range n.Outputs() {
			l.index[v] = i
		}
	}
	l.integers.init(l, original)
	l.last = map[*graph.Node]operator{}
	if fuse {
		l.findAttention()
		l.findMapProducts()
	}
	p := &program{graph: g, weights: w, uses: map[*graph.Value]int{}}
	w.mu.Lock()
	defer w.mu.Unlock()
	before := w.bytes.Load()
	for _, n := range g.Nodes {
		if l.fused[n] {
			continue
		}
		o, err := l.node(n)
		if err != nil {
			return nil, fmt.Errorf("%s (%s): %w", n.Name(), n.Op.Kind(), err)
		}
		// Many nodes can read one weight and have it packed for each.
		if need, most := w.bytes.Load()-before+int64(l.integers.copied), w.budget.Memory(0); need > most {
			w.jobs = nil
			w.bytes.Store(before)
			return nil, fmt.Errorf("%s (%s): %w: the packed weights need more than %d MiB of memory, expected at most %d", n.Name(), n.Op.Kind(), graph.ErrBudget, need>>20, most>>20)
		}
		for _, o := range append(l.integers.hoist(), o) {
			p.ops = append(p.ops, o)
			for _, v := range o.base().in {
				p.uses[v]++
			}
		}
	}
	for _, v := range g.Outputs {
		p.uses[v]++
	}
	p.prune()
	if err := w.pack(threads); err != nil {
		return nil, err
	}
	strip(g, original)
	return p, nil
}

// outputs returns the set of a graph's outputs.
func outputs(g *graph.Graph) map[*graph.Value]bool {
	set := make(map[*graph.Value]bool, len(g.Outputs))
	for _, v := range g.Outputs {
		set[v] = true
	}
	return set
}

// node makes the operator that starts with n.
func (l *lowering) node(n *graph.Node) (operator, error) {
	if o := l.last[n]; o != nil {
		return o, nil
	}
	b := opBase{kind: n.Op.Kind(), node: n, in: n.Inputs[:1:1], out: n.Output, also: n.Further, nodes: []*graph.Node{n}}
	if o := l.integer(b); o != nil {
		l.integers.made[o.base().out] = true
		return o, nil
	}
	o, ok := lowerings[n.Op.Kind()]
	if !ok {
		return nil, fmt.Errorf("%w operator", ErrUnsupported)
	}
	if n.Op.Kind() != (graph.DequantizeLinear{}).Kind() { // which computes constants in float64
		for _, v := range n.Inputs {
			if v.Const == nil {
				continue
			}
			if err := exact(v.Const); err != nil {
				return nil, fmt.Errorf("weight %q: %w", v.Name, err)
			}
		}
	}
	return o.lower.f(l, b)
}

// parameters returns a node's weight and bias, which must be constants.
func (l *lowering) parameters(n *graph.Node) (weight, bias *graph.Tensor, err error) {
	for _, v := range n.Inputs[1:] {
		if v.Const == nil {
			return nil, nil, fmt.Errorf("%w: weight %q is computed from the input, expected a constant", ErrUnsupported, v.Name)
		}
		if err := l.dequantizeWeight(v); err != nil {
			return nil, nil, err
		}
	}
	if len(n.Inputs) > 2 {
		bias = n.Inputs[2].Const
	}
	return n.Inputs[1].Const, bias, nil
}

// next returns the node behind v if it is the only reader of v and may be fused.
func (l *lowering) next(v *graph.Value) *graph.Node {
	if c := l.consumers[v]; l.fuse && len(c) == 1 && !l.outputs[v] {
		return c[0]
	}
	return nil
}

// absorb makes n part of the operator.
func (l *lowering) absorb(o *opBase, n *graph.Node) {
	l.fused[n] = true
	o.nodes = append(o.nodes, n)
	o.kind += "+" + n.Op.Kind()
	o.out = n.Output
}

// epilogue fuses what follows an operator into it: an activation function and then, where
// residual is not nil, the addition of a value of the same shape that is there already.
func (l *lowering) epilogue(o *opBase, act *kernel.Activation, residual **graph.Value) {
	n := l.next(o.out)
	if n == nil {
		return
	}
	if a := activationOf(n); a.f != nil {
		*act = a.Activation
		l.absorb(o, n)
		if n = l.next(o.out); n == nil {
			return
		}
	}
	if _, ok := n.Op.(graph.Add); !ok || residual == nil {
		return
	}
	other := n.Inputs[0]
	if other == o.out {
		other = n.Inputs[1]
	}
	if i, computed := l.index[other]; other.Const != nil || computed && i >= l.index[o.node.Output] ||
		!slices.Equal(l.types[other].Shape, l.types[o.out].Shape) || unknown(l.types[other].Shape) {
		return
	}
	*residual = other
	o.in = append(o.in, other)
	l.absorb(o, n)
}

// unknown reports whether a shape has axes of which nothing is known, so that two equal
// ones need not be equal when the network runs.
func unknown(s graph.Shape) bool {
	return slices.ContainsFunc(s, func(d graph.Dim) bool { return !d.Known() && d.Sym == "" })
}
