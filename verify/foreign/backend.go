package foreign

import (
	"errors"
	"slices"

	onnx "github.com/owulveryck/onnx-go"
	gonum "gonum.org/v1/gonum/graph"
	"gonum.org/v1/gonum/graph/iterator"
	"gorgonia.org/tensor"
)

// backend receives the graph that onnx-go decodes. To onnx-go, values are the nodes of a
// directed graph, and an operator is a set of edges from its output to its operands,
// weighted with their positions, which come before the operator itself.
type backend struct {
	values          []*value
	edges           []edge // since the last operator
	inputs, outputs []string
}

// value is a node of onnx-go's graph.
type value struct {
	id       int64
	name     string
	constant tensor.Tensor
	// The operator that produces the value, empty for inputs and initializers.
	op         string
	operands   []*value
	attributes map[string]any
}

// The value's side of onnx-go's interfaces.

func (v *value) ID() int64                       { return v.id }
func (v *value) SetName(name string)             { v.name = name }
func (v *value) GetName() string                 { return v.name }
func (v *value) SetTensor(t tensor.Tensor) error { v.constant = t; return nil }
func (v *value) GetTensor() tensor.Tensor        { return v.constant }

var (
	_ onnx.Backend     = (*backend)(nil)
	_ onnx.Namer       = (*value)(nil)
	_ onnx.DataCarrier = (*value)(nil)
)

type edge struct {
	from, to *value
	weight   float64
}

func (e edge) From() gonum.Node         { return e.from }
func (e edge) To() gonum.Node           { return e.to }
func (e edge) ReversedEdge() gonum.Edge { return edge{e.to, e.from, e.weight} }
func (e edge) Weight() float64          { return e.weight }

func (b *backend) NewNode() gonum.Node { return &value{id: int64(len(b.values))} }

func (b *backend) AddNode(n gonum.Node) { b.values = append(b.values, n.(*value)) }

func (b *backend) NewWeightedEdge(from, to gonum.Node, w float64) gonum.WeightedEdge {
	return edge{from.(*value), to.(*value), w}
}

func (b *backend) SetWeightedEdge(e gonum.WeightedEdge) { b.edges = append(b.edges, e.(edge)) }

// ApplyOperation ends an operator.
func (b *backend) ApplyOperation(op onnx.Operation, outputs ...gonum.Node) error {
	edges := b.edges
	b.edges = nil
	if len(outputs) != 1 {
		return errors.New("operator " + op.Name + " has more than one output")
	}
	out := outputs[0].(*value)
	if out.op != "" || out.constant != nil {
		return errors.New("value " + out.name + " is produced twice")
	}
	out.op, out.attributes = op.Name, op.Attributes
	for i, e := range edges {
		if e.from != out || e.weight != float64(i) {
			return errors.New("operator " + op.Name + " has edges out of order")
		}
		out.operands = append(out.operands, e.to)
	}
	return nil
}

// The rest of gonum's interface, by the definition of a graph.

func (b *backend) Node(id int64) gonum.Node {
	if id < 0 || id >= int64(len(b.values)) {
		return nil
	}
	return b.values[id]
}

func (b *backend) Nodes() gonum.Nodes {
	return collect(b.values, func(*value) bool { return true })
}

func (b *backend) From(id int64) gonum.Nodes {
	return collect(b.values, func(v *value) bool { return b.HasEdgeFromTo(id, v.id) })
}

func (b *backend) To(id int64) gonum.Nodes {
	return collect(b.values, func(v *value) bool { return b.HasEdgeFromTo(v.id, id) })
}

func (b *backend) HasEdgeBetween(x, y int64) bool {
	return b.HasEdgeFromTo(x, y) || b.HasEdgeFromTo(y, x)
}

func (b *backend) HasEdgeFromTo(u, v int64) bool { return b.Edge(u, v) != nil }

func (b *backend) Edge(u, v int64) gonum.Edge {
	from, to := b.Node(u), b.Node(v)
	if from == nil || to == nil {
		return nil
	}
	if i := slices.Index(from.(*value).operands, to.(*value)); i >= 0 {
		return edge{from.(*value), to.(*value), float64(i)}
	}
	return nil
}

func collect(values []*value, keep func(*value) bool) gonum.Nodes {
	var nodes []gonum.Node
	for _, v := range values {
		if keep(v) {
			nodes = append(nodes, v)
		}
	}
	return iterator.NewOrderedNodes(nodes)
}
