package foreign

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"gorgonia.org/tensor"

	"github.com/repvit-go/repvit/graph"
)

// known are the operators that package onnx takes over as they are, and those of GELU in
// opsets before 20.
var known = []string{
	"Conv", "BatchNormalization", "Gelu", "Relu", "Sigmoid", "Add", "Mul", "Mean", "GlobalAveragePool", "Flatten",
	"Gemm", "Softmax", "Cast", "Transpose", "MatMul", "Div", "Erf",
}

// comparable reports whether the file has only operators, in forms, that are taken over as
// they are.
func (b *backend) comparable() error {
	for _, v := range b.values {
		if v.op == "" {
			continue
		}
		if !slices.Contains(known, v.op) {
			return fmt.Errorf("%w: operator %q of %q", ErrUnsupported, v.op, v.name)
		}
		if v.op == "Gemm" && v.integer("transB", 0) != 1 {
			return fmt.Errorf("%w: Gemm %q with a weight that is not transposed", ErrUnsupported, v.name)
		}
	}
	return nil
}

func (v *value) integer(name string, missing int64) int64 {
	if i, ok := v.attributes[name].(int64); ok {
		return i
	}
	return missing
}

// comparison is under way.
type comparison struct {
	byName map[string]*value
	seen   map[*value]bool // values that g accounts for
	Report
}

func disagree(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrDisagree, fmt.Sprintf(format, args...))
}

func (b *backend) compare(g *graph.Graph) (*Report, error) {
	c := comparison{byName: map[string]*value{}, seen: map[*value]bool{}}
	for _, v := range b.values {
		if c.byName[v.name] != nil {
			return nil, disagree("two values named %q", v.name)
		}
		c.byName[v.name] = v
	}
	for _, list := range []struct {
		what  string
		found []string
		want  []*graph.Value
	}{{"inputs", b.inputs, g.Inputs}, {"outputs", b.outputs, g.Outputs}} {
		if want := names(list.want); !slices.Equal(list.found, want) {
			return nil, disagree("found the %s %q, expected %q", list.what, list.found, want)
		}
	}
	for _, v := range g.Inputs {
		c.seen[c.byName[v.Name]] = true
	}
	for _, w := range g.Weights() {
		if err := c.weight(w); err != nil {
			return nil, err
		}
	}
	for _, n := range g.Nodes {
		if err := c.node(n); err != nil {
			return nil, err
		}
	}
	for _, v := range b.values {
		if !c.seen[v] {
			return nil, disagree("found %q (%s), which package onnx does not", v.name, v.kind())
		}
		if v.op != "" {
			c.Nodes++
			c.Edges += len(v.operands)
		} else if v.constant != nil {
			c.Initializers++
			n, _ := graph.Numel(v.constant.Shape()) // which TotalSize of a scalar is not
			c.Elements += int64(n)
		}
	}
	return &c.Report, nil
}

func names(values []*graph.Value) []string {
	var s []string
	for _, v := range values {
		s = append(s, v.Name)
	}
	return s
}

func (v *value) kind() string {
	switch {
	case v == nil:
		return "nothing"
	case v.op != "":
		return v.op
	case v.constant != nil:
		return "initializer"
	}
	return "value without a producer"
}

// weight compares an initializer.
func (c *comparison) weight(w *graph.Value) error {
	v := c.byName[w.Name]
	if v == nil || v.op != "" || v.constant == nil {
		return disagree("initializer %q: found %s", w.Name, v.kind())
	}
	c.seen[v] = true
	if shape := []int(v.constant.Shape()); !slices.Equal(shape, w.Const.Shape) {
		return disagree("initializer %q: found the shape %v, expected %v", w.Name, shape, w.Const.Shape)
	}
	found, err := bits(v.constant)
	if err != nil {
		return disagree("initializer %q: %v", w.Name, err)
	}
	want := w.Const.Bytes()
	if len(found) != len(want) {
		return disagree("initializer %q: found %d bytes, expected %d", w.Name, len(found), len(want))
	}
	for i := range found {
		if found[i] != want[i] {
			return disagree("initializer %q: byte %d differs", w.Name, i)
		}
	}
	return nil
}

// bits returns a tensor's elements as the file holds them.
func bits(t tensor.Tensor) ([]byte, error) {
	data := t.Data()
	switch data.(type) {
	case float32, float64, int32, int64, []float32, []float64, []int32, []int64:
		return binary.Append(nil, binary.LittleEndian, data)
	}
	return nil, fmt.Errorf("found elements of %T", data)
}

// node compares an operator, its attributes and its operands.
func (c *comparison) node(n *graph.Node) error {
	v := c.byName[n.Name()]
	if _, ok := n.Op.(graph.Gelu); ok && v != nil && v.op != "Gelu" {
		return c.gelu(n, v)
	}
	list, known := attributes(n)
	if !known {
		return fmt.Errorf("%w: node %q: the comparison does not know the operator %s", ErrUnsupported, n.Name(), n.Op.Kind())
	}
	if v == nil || v.op != n.Op.Kind() {
		return disagree("node %q: found %s, expected %s", n.Name(), v.kind(), n.Op.Kind())
	}
	c.seen[v] = true
	if err := c.operands(n, v); err != nil {
		return err
	}
	for _, a := range list {
		found, ok := v.attributes[a.name]
		if !ok {
			found = a.missing
		}
		if !equal(found, a.want) {
			return disagree("node %q: found %s = %v, expected %v", n.Name(), a.name, found, a.want)
		}
	}
	return nil
}

func (c *comparison) operands(n *graph.Node, v *value) error {
	var found []string
	for _, o := range v.operands {
		found = append(found, o.name)
	}
	if want := names(n.Inputs); !slices.Equal(found, want) {
		return disagree("node %q: found the operands %q, expected %q", n.Name(), found, want)
	}
	return nil
}

// attribute is one that an operator has, with ONNX's default.
type attribute struct {
	name          string
	want, missing any
}

// attributes returns those of the node's operator; false for an operator that the comparison
// does not know.
func attributes(n *graph.Node) ([]attribute, bool) {
	switch op := n.Op.(type) {
	case graph.Conv:
		k, dilations := n.Inputs[1].Const, op.Dilation()
		list := []attribute{
			{"strides", listOf(op.Strides[:]), []int64{1, 1}},
			{"pads", listOf(op.Pads[:]), []int64{0, 0, 0, 0}},
			{"group", int64(op.Group), int64(1)},
			{"dilations", listOf(dilations[:]), []int64{1, 1}},
			{"auto_pad", "NOTSET", "NOTSET"},
		}
		if k != nil {
			shape := listOf(k.Shape[2:])
			list = append(list, attribute{"kernel_shape", shape, shape})
		}
		return list, true
	case graph.BatchNorm:
		return []attribute{{"epsilon", float32(op.Epsilon), float32(1e-5)}, {"training_mode", int64(0), int64(0)}}, true
	case graph.Gelu:
		return []attribute{{"approximate", "none", "none"}}, true
	case graph.Flatten:
		return []attribute{{"axis", int64(1), int64(1)}}, true
	case graph.Gemm:
		return []attribute{{"alpha", float32(1), float32(1)}, {"beta", float32(1), float32(1)},
			{"transA", int64(0), int64(0)}, {"transB", int64(1), int64(0)}}, true
	case graph.Softmax:
		return []attribute{{"axis", int64(op.Of(0)), int64(-1)}}, true
	case graph.Cast:
		return []attribute{{"to", castTypes[op.To], nil}}, true
	case graph.Transpose:
		return []attribute{{"perm", listOf(op.Perm), nil}}, true
	case graph.Relu, graph.Sigmoid, graph.Add, graph.Mul, graph.Mean, graph.GlobalAveragePool, graph.MatMul:
		return nil, true
	}
	return nil, false
}

// castTypes are the numbers of TensorProto.DataType.
var castTypes = map[graph.DType]int64{graph.Float32: 1, graph.Int32: 6, graph.Int64: 7, graph.Float64: 11}

func listOf(v []int) []int64 {
	r := make([]int64, len(v))
	for i, x := range v {
		r[i] = int64(x)
	}
	return r
}

func equal(a, b any) bool {
	if x, ok := a.([]int64); ok {
		y, ok := b.([]int64)
		return ok && slices.Equal(x, y)
	}
	if y, ok := b.([]int64); ok {
		return y == nil && a == nil
	}
	return a == b
}

// gelu compares the five operators that GELU is before opset 20:
// Mul(Mul(x, Add(Erf(Div(x, √2)), 1)), ½), the operands of Mul and Add in any order.
func (c *comparison) gelu(n *graph.Node, out *value) error {
	x := c.byName[n.Inputs[0].Name]
	scaled, okA := c.with(out, "Mul", 0.5)
	sum := other(scaled, "Mul", x)
	erf, okB := c.with(sum, "Add", 1)
	quotient := operand(erf, "Erf")
	divided, okC := c.with(quotient, "Div", math.Sqrt2)
	if x == nil || !okA || !okB || !okC || divided != x {
		return disagree("node %q: found %s, expected Gelu, or Div, Erf, Add, Mul and Mul of %q", n.Name(), out.kind(), n.Inputs[0].Name)
	}
	for _, v := range []*value{out, scaled, sum, erf, quotient} {
		c.seen[v] = true
	}
	return nil
}

// with returns the other operand of a node that combines one with a constant, which it
// takes as accounted for.
func (c *comparison) with(v *value, op string, constant float64) (*value, bool) {
	if v == nil || v.op != op || len(v.operands) != 2 {
		return nil, false
	}
	for i := range 2 {
		k := v.operands[1-i]
		if (i == 0 || op != "Div") && k.op == "" && k.constant != nil && isScalar(k.constant, constant) {
			c.seen[k] = true
			return v.operands[i], true
		}
	}
	return nil, false
}

func isScalar(t tensor.Tensor, want float64) bool {
	switch v := t.Data().(type) {
	case float32:
		return v == float32(want)
	case float64:
		return v == want
	case []float32:
		return len(v) == 1 && v[0] == float32(want)
	case []float64:
		return len(v) == 1 && v[0] == want
	}
	return false
}

// other returns the second operand of a node whose other one is x.
func other(v *value, op string, x *value) *value {
	if v == nil || v.op != op || len(v.operands) != 2 {
		return nil
	}
	switch x {
	case v.operands[0]:
		return v.operands[1]
	case v.operands[1]:
		return v.operands[0]
	}
	return nil
}

// operand returns the only operand of a node.
func operand(v *value, op string) *value {
	if v == nil || v.op != op || len(v.operands) != 1 {
		return nil
	}
	return v.operands[0]
}
