package onnx

import (
	"encoding/binary"
	"fmt"
	"math"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/repvit-go/repvit/graph"
)

// Limits that keep a hostile file from costing more memory than its size explains. The
// largest RepViT has about a thousand nodes.
const (
	maxNodes      = 1 << 16 // GELU may be five of them
	maxValues     = 1 << 17 // initializers, inputs, outputs
	maxOutputs    = graph.MaxOutputs
	maxOperands   = 1 << 10 // of a node
	maxAttributes = 1 << 6  // of a node
	maxAxes       = graph.MaxAxes
	maxInts       = 64 // of an attribute
	maxProperties = 1 << 12
	maxDomains    = 1 << 8
)

// file is what the top of a model says.
type file struct {
	irVersion int64
	model     Model
	graph     *message
	opset     int64    // of the standard operator set
	standard  int      // how often that is imported
	foreign   []string // the other operator sets
}

func (m *file) read(data []byte) error {
	err := message{name: "ModelProto", data: data}.each(func(f field) error {
		switch f.number {
		case 1:
			return f.integer(&m.irVersion)
		case 2:
			return f.text(&m.model.Producer)
		case 3:
			return f.text(&m.model.ProducerVersion)
		case modelGraph:
			if m.graph != nil {
				return formatError(f.at, "found a second graph")
			}
			g, err := f.sub("GraphProto")
			m.graph = &g
			return err
		case 8:
			return m.opsetImport(f)
		case 14:
			return m.property(f)
		case 20:
			return fmt.Errorf("%w: training information", ErrUnsupported)
		case 25:
			return fmt.Errorf("%w: functions", ErrUnsupported)
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case m.irVersion < 1:
		return fmt.Errorf("%w: found IR version %d, expected 3 or later", ErrFormat, m.irVersion)
	case m.irVersion < 3:
		return fmt.Errorf("%w: found IR version %d, expected 3 or later", ErrUnsupported, m.irVersion)
	case m.graph == nil:
		return fmt.Errorf("%w: it has no graph", ErrFormat)
	case m.standard == 0 && len(m.foreign) > 0:
		return fmt.Errorf("%w: found operator set %q, expected the standard one", ErrUnsupported, m.foreign[0])
	case m.standard == 0:
		return fmt.Errorf("%w: it imports no operator set", ErrFormat)
	case m.standard > 1:
		return fmt.Errorf("%w: it imports the standard operator set twice", ErrFormat)
	case m.opset < 1:
		return fmt.Errorf("%w: found opset %d, expected %d to %d", ErrFormat, m.opset, MinReadOpset, MaxReadOpset)
	}
	return checkOpset(m.opset, MinReadOpset, MaxReadOpset)
}

// opsetImport reads the version of an operator set. Those that are not the standard one may be
// imported and used by no node.
func (m *file) opsetImport(f field) error {
	sub, err := f.sub("OperatorSetIdProto")
	if err != nil {
		return err
	}
	domain, version := "", int64(0)
	err = sub.each(func(f field) error {
		switch f.number {
		case 1:
			return f.text(&domain)
		case 2:
			return f.integer(&version)
		}
		return nil
	})
	if err != nil {
		return err
	}
	switch {
	case standard(domain):
		m.opset = version
		m.standard++
	case len(m.foreign) == maxDomains:
		return limitError(f.at, "found more than %d operator sets", maxDomains)
	default:
		m.foreign = append(m.foreign, domain)
	}
	return nil
}

// standard reports whether a domain is that of the operators that ONNX itself defines.
func standard(domain string) bool { return domain == "" || domain == "ai.onnx" }

func (m *file) property(f field) error {
	sub, err := f.sub("StringStringEntryProto")
	if err != nil {
		return err
	}
	var key, value string
	err = sub.each(func(f field) error {
		switch f.number {
		case 1:
			return f.text(&key)
		case 2:
			return f.text(&value)
		}
		return nil
	})
	if err != nil {
		return err
	}
	g := m.model.Graph
	if _, ok := g.Metadata[key]; ok {
		return formatError(f.at, "metadata %q stands twice", key)
	}
	if len(g.Metadata) == maxProperties {
		return limitError(f.at, "found more than %d metadata entries", maxProperties)
	}
	if g.Metadata == nil {
		g.Metadata = map[string]string{}
	}
	g.Metadata[key] = value
	return nil
}

// node is an operator as the file has it.
type node struct {
	at         int // position in the graph
	name, op   string
	in         []string
	out        string
	more       []string // outputs behind the first, "" where one is left out
	attributes []attribute
	dead       bool       // a pattern has absorbed it
	spells     *spelledOp // what it is a part of
	was        *was       // where a pattern made it what it is
	normal     normal
	masks      *masks
}

// attribute is a named constant of a node.
type attribute struct {
	name string
	kind int64 // an AttributeProto.AttributeType
	f    float32
	i    int64
	s    string
	t    *graph.Tensor
	list []int64 // of INTS
	real []byte  // of FLOATS, little-endian
}

func readNode(m message) (*node, error) {
	n := &node{}
	var outputs []string
	var domain string
	operand := func(f field, to *[]string) error {
		if len(*to) == maxOperands {
			return limitError(f.at, "found more than %d operands of a node", maxOperands)
		}
		var s string
		err := f.text(&s)
		*to = append(*to, s)
		return err
	}
	err := m.each(func(f field) error {
		switch f.number {
		case 1:
			return operand(f, &n.in)
		case 2:
			return operand(f, &outputs)
		case 3:
			return f.text(&n.name)
		case 4:
			return f.text(&n.op)
		case 5:
			return n.attribute(f)
		case 7:
			return f.text(&domain)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	n.in, outputs = trim(n.in), trim(outputs)
	switch {
	case !standard(domain):
		return nil, fmt.Errorf("%w: node %q: found operator %s of %q, expected a standard one", ErrUnsupported, n.name, n.op, domain)
	case len(outputs) == 0:
		return nil, formatError(m.at, "node %q (%s) has no output", n.name, n.op)
	}
	n.out, n.more = outputs[0], outputs[1:]
	if n.out == "" {
		return nil, fmt.Errorf("%w: node %q (%s): its first output is left out", ErrUnsupported, n.name, n.op)
	}
	return n, nil
}

// trim removes the operands that are left out at the end.
func trim(names []string) []string {
	for len(names) > 0 && names[len(names)-1] == "" {
		names = names[:len(names)-1]
	}
	return names
}

func (n *node) attribute(f field) error {
	sub, err := f.sub("AttributeProto")
	if err != nil {
		return err
	}
	if len(n.attributes) == maxAttributes {
		return limitError(f.at, "found more than %d attributes of a node", maxAttributes)
	}
	var a attribute
	err = sub.each(func(f field) error {
		switch f.number {
		case 1:
			return f.text(&a.name)
		case 2:
			return f.float(&a.f)
		case 3:
			return f.integer(&a.i)
		case 4:
			return f.text(&a.s)
		case 5:
			if a.t != nil {
				return formatError(f.at, "found a second tensor in an attribute")
			}
			sub, err := f.sub("TensorProto")
			if err != nil {
				return err
			}
			_, a.t, err = readTensor(sub)
			return err
		case 7:
			return f.elements(&a.real, protowire.Fixed32Type, 4)
		case 6, 11:
			return fmt.Errorf("%w: attribute %q holds a graph", ErrUnsupported, a.name)
		case 8:
			return f.integers(&a.list, maxInts)
		case 20:
			return f.integer(&a.kind)
		case 21:
			return fmt.Errorf("%w: attribute %q refers to a function's", ErrUnsupported, a.name)
		}
		return nil
	})
	if err != nil {
		return err
	}
	n.attributes = append(n.attributes, a)
	return nil
}

// tensorData is what a TensorProto holds before it has been checked.
type tensorData struct {
	name     string
	dims     []int64
	kind     int64
	raw      []byte
	hasRaw   bool
	floats   []byte // of float_data, little-endian
	doubles  []byte
	ints     []int64 // of int32_data
	longs    []int64
	location int64
}

// readTensor reads a constant and its name. Elements that stand as bytes in the file are
// not copied.
func readTensor(m message) (string, *graph.Tensor, error) {
	var d tensorData
	err := m.each(func(f field) error {
		switch f.number {
		case tensorDims:
			return f.integers(&d.dims, maxAxes)
		case tensorDataType:
			return f.integer(&d.kind)
		case 3:
			return fmt.Errorf("%w: a tensor in segments", ErrUnsupported)
		case 4:
			return f.elements(&d.floats, protowire.Fixed32Type, 4)
		case 5:
			return f.integers(&d.ints, math.MaxInt)
		case 7:
			return f.integers(&d.longs, math.MaxInt)
		case tensorName:
			return f.text(&d.name)
		case tensorRawData:
			d.raw, d.hasRaw = f.data[:len(f.data):len(f.data)], true
			return f.expect(protowire.BytesType)
		case 10:
			return f.elements(&d.doubles, protowire.Fixed64Type, 8)
		case 13:
			return fmt.Errorf("%w: external data", ErrUnsupported)
		case 14:
			return f.integer(&d.location)
		}
		return nil
	})
	if err == nil && d.location != locationDefault {
		err = fmt.Errorf("%w: external data", ErrUnsupported)
	}
	var t *graph.Tensor
	if err == nil {
		t, err = d.tensor(m.at)
	}
	if err != nil {
		return "", nil, fmt.Errorf("tensor %q: %w", d.name, err)
	}
	return d.name, t, nil
}

func (d *tensorData) tensor(at int) (*graph.Tensor, error) {
	to, err := dtype(d.kind)
	if err != nil {
		return nil, err
	}
	shape := make([]int, len(d.dims))
	for i, n := range d.dims {
		if n < 0 || n > math.MaxInt {
			return nil, formatError(at, "found an axis of size %d", n)
		}
		shape[i] = int(n)
	}
	data := d.raw
	if d.hasRaw && len(d.floats)+len(d.doubles)+len(d.ints)+len(d.longs) > 0 {
		return nil, formatError(at, "found elements in raw_data and in another field, expected one of them")
	}
	if !d.hasRaw {
		if data, err = d.typed(to, at); err != nil {
			return nil, err
		}
	}
	t, err := graph.NewTensor(to, shape, data)
	if err != nil {
		return nil, fmt.Errorf("%w: offset %d: %w", ErrFormat, at, err)
	}
	return t, nil
}

// typed returns the elements that stand in the field of their type.
func (d *tensorData) typed(to graph.DType, at int) ([]byte, error) {
	switch to {
	case graph.Float32:
		return d.floats, nil
	case graph.Float64:
		return d.doubles, nil
	case graph.Int64:
		return packed(d.longs, 8), nil
	}
	// Smaller integers, and the bits of float16, are stored as int32.
	low, high := int64(math.MinInt32), int64(math.MaxInt32)
	switch to {
	case graph.Int8:
		low, high = math.MinInt8, math.MaxInt8
	case graph.Uint8:
		low, high = 0, math.MaxUint8
	case graph.Bool:
		low, high = 0, 1
	case graph.Float16:
		low, high = 0, math.MaxUint16
	}
	for _, v := range d.ints {
		if v < low || v > high {
			return nil, formatError(at, "found %d in int32_data, expected %v", v, to)
		}
	}
	return packed(d.ints, to.Size()), nil
}

// packed returns the low bytes of every number, little-endian.
func packed(v []int64, size int) []byte {
	b := make([]byte, 0, len(v)*size)
	for _, x := range v {
		var e [8]byte
		binary.LittleEndian.PutUint64(e[:], uint64(x))
		b = append(b, e[:size]...)
	}
	return b
}

// valueInfo is a graph input or output as the file declares it.
type valueInfo struct {
	name   string
	kind   int64       // element type
	shape  graph.Shape // nil where it is not said
	tensor bool
}

func readValueInfo(m message) (valueInfo, error) {
	var v valueInfo
	err := m.each(func(f field) error {
		switch f.number {
		case 1:
			return f.text(&v.name)
		case 2:
			sub, err := f.sub("TypeProto")
			if err != nil {
				return err
			}
			return sub.each(v.typeField)
		}
		return nil
	})
	return v, err
}

func (v *valueInfo) typeField(f field) error {
	switch f.number {
	case 1:
		v.tensor = true
	case 4, 5, 8, 9:
		return fmt.Errorf("%w: value %q is not a tensor", ErrUnsupported, v.name)
	default:
		return nil
	}
	sub, err := f.sub("TypeProto.Tensor")
	if err != nil {
		return err
	}
	return sub.each(func(f field) error {
		switch f.number {
		case 1:
			return f.integer(&v.kind)
		case 2:
			sub, err := f.sub("TensorShapeProto")
			if err != nil {
				return err
			}
			v.shape = graph.Shape{}
			return sub.each(v.dimension)
		}
		return nil
	})
}

func (v *valueInfo) dimension(f field) error {
	if f.number != 1 {
		return nil
	}
	sub, err := f.sub("TensorShapeProto.Dimension")
	if err != nil {
		return err
	}
	if len(v.shape) == maxAxes {
		return limitError(f.at, "value %q has more than %d axes", v.name, maxAxes)
	}
	dim := graph.Dim{Div: 1}
	err = sub.each(func(f field) error {
		switch f.number {
		case 1:
			var n int64
			if err := f.integer(&n); err != nil {
				return err
			}
			switch {
			case n < 0:
				return formatError(f.at, "value %q has an axis of size %d", v.name, n)
			case n == 0:
				return fmt.Errorf("%w: value %q has an axis of size 0", ErrUnsupported, v.name)
			case n > graph.MaxElements:
				return limitError(f.at, "value %q has an axis of size %d", v.name, n)
			}
			dim = graph.Fixed(int(n))
		case 2:
			var s string
			if err := f.text(&s); err != nil {
				return err
			}
			dim = graph.Symbol(s)
		}
		return nil
	})
	v.shape = append(v.shape, dim)
	return err
}
