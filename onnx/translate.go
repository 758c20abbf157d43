package onnx

import (
	"fmt"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/repvit-go/repvit/graph"
)

// encoder translates a graph to the fields of a GraphProto, encoded.
type encoder struct {
	g       *graph.Graph
	opset   int
	types   map[*graph.Value]graph.Type
	names   map[string]bool // of all values, derived ones included
	nodes   []byte
	weights []*graph.Value // in order of first use
	used    map[*graph.Value]bool
	scalars map[string]*graph.Value // constants of spellings
	spelled []spelledOp

	inputs, outputs, infos []byte

	scratch []byte // for the message that is being encoded
}

// translate makes the fields of a valid graph with values of the types given.
func translate(g *graph.Graph, types map[*graph.Value]graph.Type, opset int) (*encoder, error) {
	const node = 400 // bytes of a node and its description, about, where GELU is five of them
	e := &encoder{nodes: make([]byte, 0, node*len(g.Nodes)), infos: make([]byte, 0, node/2*len(g.Nodes)), g: g, opset: opset, types: types, names: make(map[string]bool, len(types)),
		used: make(map[*graph.Value]bool, len(types)-len(g.Nodes)), scalars: map[string]*graph.Value{}}
	if err := e.check(); err != nil {
		return nil, err
	}
	for _, v := range g.Inputs {
		e.inputs = appendInfo(e.inputs, graphInput, v.Name, types[v])
	}
	for _, v := range g.Outputs {
		e.outputs = appendInfo(e.outputs, graphOutput, v.Name, types[v])
	}
	for _, n := range g.Nodes {
		if err := e.node(n); err != nil {
			return nil, fmt.Errorf("node %q (%s): %w", n.Name(), n.Op.Kind(), err)
		}
		for _, v := range n.Outputs() {
			if !g.IsOutput(v) {
				e.infos = appendInfo(e.infos, graphValueInfo, v.Name, types[v])
			}
		}
	}
	return e, nil
}

// check collects the values' names and refuses what the format has no form for.
func (e *encoder) check() error {
	if err := checkText("graph name", e.g.Name); err != nil {
		return err
	}
	for k, v := range e.g.Metadata {
		if err := checkText("metadata key", k); err != nil {
			return err
		}
		if err := checkText("metadata "+k, v); err != nil {
			return err
		}
	}
	for v, t := range e.types {
		e.names[v.Name] = true
		if err := checkText("name", v.Name); err != nil {
			return err
		}
		for _, d := range t.Shape {
			if err := checkText("axis", d.Sym); err != nil {
				return err
			}
		}
	}
	for _, v := range e.g.Outputs {
		if v.Const != nil {
			return fmt.Errorf("%w: output %q is a weight, expected a node's output", ErrUnsupported, v.Name)
		}
	}
	return nil
}

// appendInfo appends the description of a value as a field. A size that is not a number is
// named by its formula, so that sizes with the same name are equal.
func appendInfo(b []byte, number protowire.Number, name string, t graph.Type) []byte {
	var room [4][128]byte // for messages inside each other: enough for most, and no garbage
	shape := room[0][:0]
	for _, d := range t.Shape {
		dim := room[1][:0]
		switch {
		case d.Known():
			dim = appendInteger(dim, dimValue, int64(d.Size))
		case d.Sym != "":
			dim = appendString(dim, dimParam, d.String())
		}
		shape = appendMessage(shape, shapeDim, dim)
	}
	tensor := appendInteger(room[1][:0], tensorTypeElem, int64(dataTypes[t.DType]))
	tensor = appendMessage(tensor, tensorTypeShape, shape)
	info := appendString(room[2][:0], infoName, name)
	info = appendMessage(info, infoType, appendMessage(room[3][:0], typeTensor, tensor))
	return appendMessage(b, number, info)
}

// weight adds a constant where it is first used.
func (e *encoder) weight(v *graph.Value) {
	if !e.used[v] {
		e.used[v] = true
		e.weights = append(e.weights, v)
	}
}

// emit appends a node with one output.
func (e *encoder) emit(op, output string, inputs []string, attributes ...[]byte) {
	e.emitSeveral(op, []string{output}, inputs, attributes...)
}

// emitSeveral appends a node. ONNX names it like its first output.
func (e *encoder) emitSeveral(op string, outputs, inputs []string, attributes ...[]byte) {
	n := e.scratch[:0]
	for _, name := range inputs {
		n = appendString(n, nodeInput, name)
	}
	for _, name := range outputs {
		n = appendString(n, nodeOutput, name)
	}
	n = appendString(n, nodeName, outputs[0])
	n = appendString(n, nodeOpType, op)
	for _, a := range attributes {
		n = appendMessage(n, nodeAttribute, a)
	}
	e.nodes = appendMessage(e.nodes, graphNode, n)
	e.scratch = n
}

// derive returns a name for a value that the graph does not have.
func (e *encoder) derive(name string) string { return unique(e.names, name) }

// unique returns name, or with a number behind it where another value has it, and takes it.
func unique(names map[string]bool, name string) string {
	free := name
	for i := 1; names[free]; i++ {
		free = fmt.Sprintf("%s_%d", name, i)
	}
	names[free] = true
	return free
}

// node translates one node. Attributes stand in alphabetical order, as PyTorch's exporter
// writes them.
func (e *encoder) node(n *graph.Node) error {
	o, ok := encoderOf[n.Op.Kind()]
	if !ok {
		return fmt.Errorf("%w: operator", ErrUnsupported)
	}
	return o.f(e, n)
}

// write writes a node under its own name.
func (e *encoder) write(n *graph.Node, attributes ...[]byte) {
	e.emit(n.Op.Kind(), n.Name(), e.operands(n), attributes...)
}

func (e *encoder) operands(n *graph.Node) []string {
	var names []string
	for _, v := range n.Inputs {
		if v.Const != nil {
			e.weight(v)
		}
		names = append(names, v.Name)
	}
	return names
}

// floats refuses operands that are not.
func (e *encoder) floats(n *graph.Node) error {
	if x := e.types[n.Inputs[0]].DType; !x.IsFloat() {
		return fmt.Errorf("%w: found operands of %v, expected a float", ErrUnsupported, x)
	}
	return nil
}

// plain writes an operator without attributes.
func plain[T graph.Op](e *encoder, n *graph.Node, _ T) error {
	e.write(n)
	return nil
}

// plainFloats writes one whose operands are floats.
func plainFloats[T graph.Op](e *encoder, n *graph.Node, _ T) error {
	if err := e.floats(n); err != nil {
		return err
	}
	e.write(n)
	return nil
}

// arithmetic writes one whose operands may be of any type, bytes since opset 14.
func arithmetic[T graph.Op](e *encoder, n *graph.Node, _ T) error {
	if x := e.types[n.Inputs[0]].DType; x.Size() == 1 && e.opset < 14 {
		return fmt.Errorf("%w: found operands of %v in opset %d, expected opset 14 or later", ErrUnsupported, x, e.opset)
	}
	e.write(n)
	return nil
}

// scalar returns the name of a constant without axes that a spelling needs, one for each
// name and type.
func (e *encoder) scalar(name string, d graph.DType, v float64) string {
	return e.constant(name+"."+d.String(), name, scalarTensor(d, v))
}

// numbers is scalar for a list of integers.
func (e *encoder) numbers(name string, v []int) string {
	list := make([]int64, len(v))
	for i, x := range v {
		name += fmt.Sprintf(".%d", x)
		list[i] = int64(x)
	}
	return e.constant(name, name, graph.Int64Tensor([]int{len(v)}, list))
}

// constant returns the name of a constant that a spelling needs, one for each key.
func (e *encoder) constant(key, name string, t *graph.Tensor) string {
	w := e.scalars[key]
	if w == nil {
		w = graph.Weight(e.derive(name), t)
		e.scalars[key] = w
	}
	e.weight(w)
	return w.Name
}

// step adds a node of a spelling: it makes a value like the node's own, named after it.
func (e *encoder) step(n *graph.Node, op, suffix string, inputs []string, attributes ...[]byte) string {
	return e.stepOf(n, e.types[n.Output], op, suffix, inputs, attributes...)
}

// stepOf is step for a value of another type.
func (e *encoder) stepOf(n *graph.Node, t graph.Type, op, suffix string, inputs []string, attributes ...[]byte) string {
	name := e.derive(n.Name() + suffix)
	e.emit(op, name, inputs, attributes...)
	e.infos = appendInfo(e.infos, graphValueInfo, name, t)
	return name
}

// scalarTensor returns a float constant without axes.
func scalarTensor(d graph.DType, v float64) *graph.Tensor {
	switch d {
	case graph.Float64:
		return graph.Float64Tensor([]int{}, []float64{v})
	case graph.Float16:
		return graph.Float32Tensor([]int{}, []float32{float32(v)}).Half()
	}
	return graph.Float32Tensor([]int{}, []float32{float32(v)})
}

func str(name, s string) []byte {
	a := appendString(nil, attributeName, name)
	a = appendString(a, attributeString, s)
	return appendInteger(a, attributeType, int64(kindString))
}

func integer(name string, v int) []byte {
	a := appendString(nil, attributeName, name)
	a = appendInteger(a, attributeInt, int64(v))
	return appendInteger(a, attributeType, int64(kindInt))
}

func ints(name string, v ...int) []byte {
	a := appendString(nil, attributeName, name)
	for _, i := range v {
		a = appendInteger(a, attributeInts, int64(i))
	}
	return appendInteger(a, attributeType, int64(kindInts))
}

func float(name string, v float64) []byte {
	a := appendString(nil, attributeName, name)
	a = appendFloat(a, attributeFloat, float32(v))
	return appendInteger(a, attributeType, int64(kindFloat))
}
