package graph

import (
	"errors"
	"fmt"
	"maps"
	"slices"
)

// Errors that the package's functions wrap.
var (
	ErrShape = errors.New("shapes do not fit") // an operator got inputs that it can't take
	ErrGraph = errors.New("malformed graph")   // names, order or operands are inconsistent
	// ErrUnsupported marks what ONNX allows and the operators of this package do not take.
	ErrUnsupported = errors.New("unsupported")
)

// Graph is a network.
type Graph struct {
	Name    string
	Inputs  []*Value
	Outputs []*Value
	Nodes   []*Node // in topological order: a value is produced before it is used
	// Metadata travels with the model into files: variant, labels, preprocessing. Its
	// keys and values mean nothing to this package.
	Metadata map[string]string
}

// Value is an edge of the graph: a graph input (Type is set), a weight (Const is set), or
// a node's output (both unset).
type Value struct {
	Name  string
	Type  *Type   // declared type of a graph input
	Const *Tensor // elements of a weight
	// Buffer marks a weight that is not trained, as PyTorch calls it. Files do not keep it.
	Buffer bool
}

// Node applies an operator. It is named by the first value it produces.
type Node struct {
	Op      Op
	Inputs  []*Value // data operands, then weights, in the order the Op documents
	Output  *Value
	Further []*Value // the outputs behind the first, of operators that document several
}

// Name returns the node's name, which is its output's.
func (n *Node) Name() string { return n.Output.Name }

// Outputs returns all values that the node produces.
func (n *Node) Outputs() []*Value { return append([]*Value{n.Output}, n.Further...) }

// Weight returns a value that holds a constant.
func Weight(name string, t *Tensor) *Value { return &Value{Name: name, Const: t} }

// Add appends a node that applies op and returns its output value.
func (g *Graph) Add(name string, op Op, inputs ...*Value) *Value {
	out := &Value{Name: name}
	g.Nodes = append(g.Nodes, &Node{Op: op, Inputs: inputs, Output: out})
	return out
}

// AddSeveral is Add for an operator with several outputs, one for each name.
func (g *Graph) AddSeveral(names []string, op Op, inputs ...*Value) []*Value {
	first := g.Add(names[0], op, inputs...)
	n := g.Nodes[len(g.Nodes)-1]
	for _, name := range names[1:] {
		n.Further = append(n.Further, &Value{Name: name})
	}
	return append([]*Value{first}, n.Further...)
}

// Weights returns the constants that nodes use, each once, in order of first use.
func (g *Graph) Weights() []*Value {
	var ws []*Value
	seen := map[*Value]bool{}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			if v.Const != nil && !seen[v] {
				seen[v] = true
				ws = append(ws, v)
			}
		}
	}
	return ws
}

// Producers maps every node output to its node.
func (g *Graph) Producers() map[*Value]*Node {
	m := make(map[*Value]*Node, len(g.Nodes))
	for _, n := range g.Nodes {
		m[n.Output] = n
		for _, v := range n.Further {
			m[v] = n
		}
	}
	return m
}

// Probabilities reports whether a value is what [Softmax] over the last axis gives, whatever
// type it was then brought to.
func (g *Graph) Probabilities(v *Value) bool {
	producers := g.Producers()
	for n := producers[v]; n != nil; n = producers[n.Inputs[0]] {
		if s, ok := n.Op.(Softmax); ok {
			return s.Of(0) == -1
		}
		if !n.Is(Converts) {
			return false
		}
	}
	return false
}

// Consumers maps every value to the nodes that read it, in order; a node that reads a
// value twice stands twice. Graph outputs are not consumers.
func (g *Graph) Consumers() map[*Value][]*Node {
	m := make(map[*Value][]*Node, g.values())
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			m[v] = append(m[v], n)
		}
	}
	return m
}

// IsOutput reports whether v is an output of the graph.
func (g *Graph) IsOutput(v *Value) bool { return slices.Contains(g.Outputs, v) }

// values returns about how many values the graph has, for maps of all of them.
func (g *Graph) values() int {
	n := len(g.Inputs)
	for _, node := range g.Nodes {
		n += len(node.Inputs) // what each node reads, nearly always once
	}
	return n
}

// Clone returns a copy whose nodes and values can be changed without changing g. Tensors
// are shared.
func (g *Graph) Clone() *Graph {
	values := make(map[*Value]*Value, g.values())
	value := func(v *Value) *Value {
		c, ok := values[v]
		if !ok {
			d := *v
			c = &d
			values[v] = c
		}
		return c
	}
	list := func(vs []*Value) []*Value {
		if len(vs) == 0 {
			return nil
		}
		r := make([]*Value, len(vs))
		for i, v := range vs {
			r[i] = value(v)
		}
		return r
	}
	c := &Graph{Name: g.Name, Inputs: list(g.Inputs), Nodes: make([]*Node, 0, len(g.Nodes)), Metadata: maps.Clone(g.Metadata)}
	for _, n := range g.Nodes {
		c.Nodes = append(c.Nodes, &Node{Op: n.Op, Inputs: list(n.Inputs), Output: value(n.Output), Further: list(n.Further)})
	}
	c.Outputs = list(g.Outputs)
	return c
}

// Prune removes the nodes that no output needs.
func (g *Graph) Prune() {
	needed := make(map[*Value]bool, g.values())
	for _, v := range g.Outputs {
		needed[v] = true
	}
	kept := make([]*Node, 0, len(g.Nodes))
	for i := len(g.Nodes) - 1; i >= 0; i-- {
		n := g.Nodes[i]
		if !needed[n.Output] && !slices.ContainsFunc(n.Further, func(v *Value) bool { return needed[v] }) {
			continue
		}
		kept = append(kept, n)
		for _, v := range n.Inputs {
			needed[v] = true
		}
	}
	slices.Reverse(kept)
	g.Nodes = kept
}

// Validate checks what every reader of a graph relies on: values have unique non-empty
// names, weights hold as many bytes as their shape needs, inputs declare a type, each value
// is produced once and before its use, inputs and outputs exist, outputs are distinct, the
// shapes fit, nothing is empty and nothing exceeds the package's limits. The error wraps
// [ErrGraph], [ErrShape], [ErrUnsupported] or [ErrTooLarge].
func (g *Graph) Validate() error {
	_, err := g.Types()
	return err
}

// Types validates the graph and returns the type of every value.
func (g *Graph) Types() (map[*Value]Type, error) {
	if err := g.wired(); err != nil {
		return nil, err
	}
	return g.Infer()
}

// wired checks everything but the shapes.
func (g *Graph) wired() error {
	names := make(map[string]*Value, g.values())
	known := make(map[*Value]bool, g.values())
	add := func(v *Value) error {
		if v.Name == "" {
			return fmt.Errorf("%w: a value has no name", ErrGraph)
		}
		if old, ok := names[v.Name]; ok && old != v {
			return fmt.Errorf("%w: two values are named %q", ErrGraph, v.Name)
		}
		names[v.Name] = v
		known[v] = true
		return nil
	}
	switch {
	case len(g.Nodes) > MaxNodes:
		return fmt.Errorf("%w: %d nodes, expected at most %d", ErrTooLarge, len(g.Nodes), MaxNodes)
	case len(g.Outputs) > MaxOutputs:
		return fmt.Errorf("%w: %d outputs, expected at most %d", ErrTooLarge, len(g.Outputs), MaxOutputs)
	case len(g.Outputs) == 0:
		return fmt.Errorf("%w: it has no outputs", ErrGraph)
	case len(g.Inputs) == 0:
		return fmt.Errorf("%w: a graph without inputs", ErrUnsupported)
	}
	for _, v := range g.Inputs {
		if v.Type == nil || v.Const != nil || !v.Type.DType.Valid() {
			return fmt.Errorf("%w: input %q declares no type", ErrGraph, v.Name)
		}
		if known[v] {
			return fmt.Errorf("%w: input %q stands twice", ErrGraph, v.Name)
		}
		if err := add(v); err != nil {
			return err
		}
	}
	for _, n := range g.Nodes {
		if n.Op == nil || n.Output == nil {
			return fmt.Errorf("%w: a node lacks its operator or output", ErrGraph)
		}
		for i, v := range n.Inputs {
			switch {
			case v == nil:
				return fmt.Errorf("%w: operand %d of %s is missing", ErrGraph, i, n.Name())
			case v.Const != nil:
				if known[v] {
					continue
				}
				if err := v.Const.Validate(); err != nil {
					return fmt.Errorf("weight %q: %w", v.Name, err)
				}
				if err := add(v); err != nil {
					return err
				}
			case !known[v]:
				return fmt.Errorf("%w: %s reads %q, which nothing before it produces", ErrGraph, n.Name(), v.Name)
			}
		}
		if v := n.sizedBy(); v != nil && !slices.Contains(g.Inputs, v) {
			return fmt.Errorf("%w: %s (%s) gets its size from the values of %q, want an input of the graph", ErrUnsupported, n.Name(), n.Op.Kind(), v.Name)
		}
		for _, v := range n.Outputs() {
			if v == nil || v.Const != nil || known[v] {
				return fmt.Errorf("%w: an output of node %q is missing, or is produced twice", ErrGraph, n.Name())
			}
			if err := add(v); err != nil {
				return err
			}
		}
	}
	seen := make(map[*Value]bool, len(g.Outputs))
	for _, v := range g.Outputs {
		if v == nil || !known[v] {
			return fmt.Errorf("%w: an output is not produced by any node", ErrGraph)
		}
		if seen[v] {
			return fmt.Errorf("%w: output %q stands twice", ErrGraph, v.Name)
		}
		seen[v] = true
	}
	return nil
}
