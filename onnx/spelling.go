package onnx

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/graph"
)

// Operators of package graph that ONNX has no operator for are spelled: written as many nodes, some
// with sizes that depend on data. The file's metadata says which nodes they are. Reading a file,
// the operator is spelled again, and has to give the nodes that the file has.

// metaSpelled is the metadata key under which spelled operators stand: JSON, a list of
// [spelledOp].
const metaSpelled = "repvit.onnx.spelled"

// spelledOp is an operator that nodes spell. Those nodes have the names of its outputs, or that of
// the first, a slash and a number.
type spelledOp struct {
	Op         string          `json:"op"`
	Attributes json.RawMessage `json:"attributes,omitempty"`
	Inputs     []string        `json:"inputs"`
	Outputs    []string        `json:"outputs"`
}

// spelling writes the nodes that spell an operator.
type spelling struct {
	e *encoder
	n *graph.Node
	i int
}

// spell begins to spell a node.
func (e *encoder) spell(n *graph.Node) (*spelling, error) {
	if d := e.types[n.Inputs[0]].DType; d != graph.Float32 {
		return nil, fmt.Errorf("%w: found operands of %v, expected float32", ErrUnsupported, d)
	}
	attributes, err := graph.MarshalOp(n.Op)
	if err != nil {
		return nil, err
	}
	r := spelledOp{Op: n.Op.Kind(), Attributes: attributes, Inputs: e.operands(n)}
	for _, v := range n.Outputs() {
		r.Outputs = append(r.Outputs, v.Name)
	}
	e.spelled = append(e.spelled, r)
	return &spelling{e: e, n: n}, nil
}

// name is that of the next value.
func (s *spelling) name() string {
	s.i++
	return s.e.derive(fmt.Sprintf("%s/%d", s.n.Name(), s.i-1))
}

// do adds a node and returns its output.
func (s *spelling) do(op string, in []string, attributes ...[]byte) string {
	out := s.name()
	s.e.emit(op, out, in, attributes...)
	return out
}

// as is do for a node whose output is one of the operator's.
func (s *spelling) as(out *graph.Value, op string, in []string, attributes ...[]byte) {
	s.e.emit(op, out.Name, in, attributes...)
}

// constant adds a constant.
func (s *spelling) constant(t *graph.Tensor) string {
	w := graph.Weight(s.name(), t)
	s.e.weight(w)
	return w.Name
}

func (s *spelling) ints(v ...int64) string { return s.constant(graph.Int64Tensor([]int{len(v)}, v)) }
func (s *spelling) floats(v ...float32) string {
	return s.constant(graph.Float32Tensor([]int{len(v)}, v))
}
func (s *spelling) zeros(shape ...int) string {
	n, _ := graph.Numel(shape)
	return s.constant(graph.Float32Tensor(shape, make([]float32, n)))
}
func (s *spelling) number(v float32) string {
	return s.constant(graph.Float32Tensor([]int{}, []float32{v}))
}

// reshape gives x the axes given; −1 is what is left.
func (s *spelling) reshape(x string, shape ...int64) string {
	return s.do("Reshape", []string{x, s.ints(shape...)})
}

// slice takes the elements [from, to) of an axis.
func (s *spelling) slice(x string, axis, from, to int64) string {
	return s.do("Slice", []string{x, s.ints(from), s.ints(to), s.ints(axis)})
}

// two is do for an operator of two operands.
func (s *spelling) two(op, a, b string) string { return s.do(op, []string{a, b}) }

// topK returns values and indices of the k largest or smallest elements of a vector.
func (s *spelling) topK(x string, k int, largest int) (values, indices string) {
	values, indices = s.name(), s.name()
	s.e.emitSeveral("TopK", []string{values, indices}, []string{x, s.ints(int64(k))}, integer("axis", 0), integer("largest", largest), integer("sorted", 1))
	return values, indices
}

// decode returns the boxes, …×4, that deltas make of regions with the centres and sizes given,
// whose last axis is x, y.
func (s *spelling) decode(op graph.Deltas, centre, size, deltas string) string {
	last := int64(-1)
	shift := s.two("Mul", s.slice(deltas, last, 0, 2), s.floats(float32(op.Std[0]), float32(op.Std[1])))
	zoom := s.two("Mul", s.slice(deltas, last, 2, 4), s.floats(float32(op.Std[2]), float32(op.Std[3])))
	zoom = s.do("Clip", []string{zoom, s.number(-graph.MaxLogScale), s.number(graph.MaxLogScale)})
	centre = s.two("Add", centre, s.two("Mul", size, shift))
	half := s.two("Mul", s.two("Mul", size, s.do("Exp", []string{zoom})), s.number(0.5))
	box := s.do("Concat", []string{s.two("Sub", centre, half), s.two("Add", centre, half)}, integer("axis", -1))
	w, h := float32(op.Width), float32(op.Height)
	return s.do("Min", []string{s.do("Max", []string{box, s.number(0)}), s.floats(w, h, w, h)})
}

// respell makes one node of those that spell an operator, of which n is the first one in the file.
func (d *decoder) respell(n *node) error {
	r := n.spells
	refuse := func(format string, args ...any) error {
		return fmt.Errorf("%w: operator %s of the nodes %s/0 to %s: %s", ErrUnsupported, r.Op, r.Outputs[0], r.Outputs[0], fmt.Sprintf(format, args...))
	}
	op, err := graph.UnmarshalOp(r.Op, r.Attributes)
	if err != nil {
		return refuse("%v", err)
	}
	one := &graph.Graph{}
	var in []*graph.Value
	own := map[*graph.Value]*graph.Value{}
	for _, name := range r.Inputs {
		v, err := d.value(d.resolve(name))
		if err != nil {
			return err
		}
		in = append(in, v)
		if own[v] == nil {
			t, err := d.typeOf(v)
			if err != nil {
				return err
			}
			own[v] = &graph.Value{Name: v.Name, Type: &t}
			one.Inputs = append(one.Inputs, own[v])
		}
	}
	var operands []*graph.Value
	for _, v := range in {
		operands = append(operands, own[v])
	}
	one.Outputs = one.AddSeveral(r.Outputs, op, operands...)
	var b bytes.Buffer
	if err := Encode(&b, one, Options{Opset: min(d.opset, MaxOpset)}); err != nil {
		return refuse("%v", err)
	}
	again, _, err := parse(b.Bytes())
	if err != nil {
		return refuse("%v", err)
	}
	if len(again.nodes) > len(d.nodes)-n.at {
		return refuse("found %d nodes, expected %d", len(d.nodes)-n.at, len(again.nodes))
	}
	for i, want := range again.nodes {
		got := d.nodes[n.at+i]
		if got.spells != r || !d.same(got, again, want) {
			return refuse("found node %q (%s), expected %s as the operator's attributes ask for", got.name, got.op, want.op)
		}
		got.dead = true
	}
	for i, v := range d.g.AddSeveral(r.Outputs, op, in...) {
		d.values[r.Outputs[i]] = v
	}
	return nil
}

// same compares a node with one of another file.
func (d *decoder) same(n *node, other *decoder, want *node) bool {
	if n.op != want.op || n.out != want.out || !slices.Equal(n.more, want.more) || !slices.Equal(n.in, want.in) || len(n.attributes) != len(want.attributes) {
		return false
	}
	for i, a := range n.attributes {
		if b := want.attributes[i]; !reflect.DeepEqual(a, b) {
			return false
		}
	}
	for _, name := range n.in {
		a, b := d.tensors[name], other.tensors[name]
		if slices.Contains(n.spells.Inputs, name) {
			continue // an operand, by its name
		}
		if (a == nil) != (b == nil) || a != nil && (a.DType != b.DType || !slices.Equal(a.Shape, b.Shape) || !bytes.Equal(a.Bytes(), b.Bytes())) {
			return false
		}
	}
	return true
}

// findSpelled marks the nodes that spell operators, as the metadata says.
func (d *decoder) findSpelled() error {
	text, ok := d.g.Metadata[metaSpelled]
	if !ok {
		return nil
	}
	delete(d.g.Metadata, metaSpelled)
	var list []*spelledOp
	if err := json.Unmarshal([]byte(text), &list); err != nil {
		return fmt.Errorf("%w: metadata %s: %w", ErrUnsupported, metaSpelled, err)
	}
	of := map[string]*spelledOp{}
	for _, r := range list {
		if r == nil || len(r.Outputs) == 0 || !isSpelled[r.Op] {
			return fmt.Errorf("%w: metadata %s: an operator that is not spelled, or without outputs", ErrUnsupported, metaSpelled)
		}
		for _, name := range r.Outputs {
			of[name] = r
		}
	}
	for _, n := range d.nodes {
		base := n.out
		if i := strings.LastIndexByte(base, '/'); i >= 0 && of[base] == nil {
			base = base[:i]
		}
		n.spells = of[base]
	}
	return nil
}
