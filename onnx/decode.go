package onnx

import (
	"errors"
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// Model is an ONNX model that was read.
type Model struct {
	Graph           *graph.Graph
	Opset           int    // version of the operator set that the file imports
	Producer        string // name and version of the program that wrote the file
	ProducerVersion string
}

// Decode reads an ONNX model. Weights stored as raw bytes are views of data, which must not
// change while the graph is in use; others are converted. The package documentation says
// which operators are understood.
//
// The error wraps [ErrFormat] where data breaks ONNX's specification, [ErrUnsupported]
// where it uses what package graph has no form for and [graph.ErrTooLarge] where it has more
// of something than the limits allow; it names the node or the offset, what
// was found and what was expected. Memory and time are proportional to the length of data.
func Decode(data []byte) (*Model, error) {
	d, m, err := parse(data)
	if err != nil {
		return nil, err
	}
	for _, step := range []func() error{d.readInputs, d.findSpelled, d.findImageSizes, d.patterns, d.translate, d.readOutputs, d.verify} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	m.Opset = d.opset
	return m, nil
}

// parse reads a file as far as its constants and nodes.
func parse(data []byte) (*decoder, *Model, error) {
	f := &file{model: Model{Graph: &graph.Graph{}}}
	if err := f.read(data); err != nil {
		return nil, nil, err
	}
	d := &decoder{
		g:         f.model.Graph,
		opset:     int(f.opset),
		tensors:   map[string]*graph.Tensor{},
		aliases:   map[string]string{},
		producers: map[string]*node{},
		further:   map[string]*node{},
		sizes:     map[string]sizes{},
		uses:      map[string]int{},
		taken:     map[string]bool{},
		pixels:    map[string][]pixels{},
		values:    map[string]*graph.Value{},
		derived:   map[string]*graph.Value{},
		quantized: map[*graph.Value]graph.DType{},
		types:     map[*graph.Value]graph.Type{},
	}
	if err := d.constants(*f.graph); err != nil {
		return nil, nil, err
	}
	return d, &f.model, d.readNodes(*f.graph)
}

// decoder makes a graph of a GraphProto.
type decoder struct {
	g       *graph.Graph
	opset   int
	inputs  []valueInfo
	outputs []valueInfo

	tensors   map[string]*graph.Tensor // initializers and Constant nodes, by name
	aliases   map[string]string        // outputs of Identity nodes
	nodes     []*node
	producers map[string]*node
	further   map[string]*node // those of outputs behind a node's first
	sizes     map[string]sizes // outputs of nodes that compute with sizes
	uses      map[string]int   // operands and graph outputs that read a value
	taken     map[string]bool  // every name that the file gives a value
	made      int              // elements of constants that nodes stand for
	pixels    map[string][]pixels

	values  map[string]*graph.Value
	derived map[string]*graph.Value // weights in another form, by name and form
	// Types of the outputs of QuantizeLinear nodes.
	quantized map[*graph.Value]graph.DType
	checks    []func(map[*graph.Value]graph.Type) error
	// Types of the values of the first nodes, as far as they were asked for.
	types map[*graph.Value]graph.Type
	typed int
}

// constants reads everything of the graph but its nodes, which the file has first and which
// need the rest.
func (d *decoder) constants(m message) error {
	count := 0
	info := func(f field, to *[]valueInfo) error {
		sub, err := f.sub("ValueInfoProto")
		if err != nil {
			return err
		}
		v, err := readValueInfo(sub)
		*to = append(*to, v)
		return err
	}
	return m.each(func(f field) error {
		switch f.number {
		case graphInitializer, 11, 12:
			if count++; count > maxValues {
				return limitError(f.at, "found more than %d initializers, inputs and outputs", maxValues)
			}
		}
		switch f.number {
		case 2:
			return f.text(&d.g.Name)
		case graphInitializer:
			sub, err := f.sub("TensorProto")
			if err != nil {
				return err
			}
			name, t, err := readTensor(sub)
			if err != nil {
				return err
			}
			d.tensors[name] = t
			return d.take(name)
		case 11:
			return info(f, &d.inputs)
		case 12:
			if len(d.outputs) == maxOutputs {
				return limitError(f.at, "found more than %d outputs", maxOutputs)
			}
			return info(f, &d.outputs)
		case 15:
			return fmt.Errorf("%w: sparse initializers", ErrUnsupported)
		}
		return nil
	})
}

// take claims a value's name.
func (d *decoder) take(name string) error {
	if name == "" {
		return fmt.Errorf("%w: a value has no name", ErrFormat)
	}
	if d.taken[name] {
		return fmt.Errorf("%w: two values are named %q", ErrFormat, name)
	}
	d.taken[name] = true
	return nil
}

// readInputs makes the graph's inputs. Old files list initializers among them.
func (d *decoder) readInputs() error {
	for _, in := range d.inputs {
		if _, ok := d.tensors[in.name]; ok {
			continue
		}
		if err := d.take(in.name); err != nil {
			return err
		}
		if !in.tensor || in.shape == nil {
			return fmt.Errorf("%w: input %q declares no shape", ErrUnsupported, in.name)
		}
		t, err := dtype(in.kind)
		if err != nil {
			return fmt.Errorf("input %q: %w", in.name, err)
		}
		v := &graph.Value{Name: in.name, Type: &graph.Type{DType: t, Shape: in.shape}}
		d.values[in.name] = v
		d.g.Inputs = append(d.g.Inputs, v)
	}
	return nil
}

// readNodes reads the nodes and resolves Constant and Identity.
func (d *decoder) readNodes(m message) error {
	count := 0
	err := m.each(func(f field) error {
		if f.number != 1 {
			return nil
		}
		if count++; count > maxNodes {
			return limitError(f.at, "found more than %d nodes", maxNodes)
		}
		sub, err := f.sub("NodeProto")
		if err != nil {
			return err
		}
		n, err := readNode(sub)
		if err != nil {
			return err
		}
		if err := d.take(n.out); err != nil {
			return err
		}
		for _, name := range n.more {
			if name == "" {
				continue
			}
			if err := d.take(name); err != nil {
				return err
			}
			d.further[name] = n
		}
		for i, name := range n.in {
			n.in[i] = d.resolve(name)
		}
		switch n.op {
		case "Constant":
			t, err := n.constant()
			d.tensors[n.out] = t
			return n.wrap(err)
		case "Identity", "Dropout":
			if err := d.identity(n); err != nil {
				return n.wrap(err)
			}
			d.aliases[n.out] = n.in[0]
			return nil
		}
		n.at = len(d.nodes)
		d.nodes = append(d.nodes, n)
		d.producers[n.out] = n
		for _, name := range n.in {
			d.uses[name]++
		}
		return nil
	})
	for _, out := range d.outputs {
		d.uses[d.resolve(out.name)]++
	}
	return err
}

// resolve returns the name of the value that an Identity node passes on. Operands are
// resolved before a node gives its output an alias, so one step is enough.
func (d *decoder) resolve(name string) string {
	if source, ok := d.aliases[name]; ok {
		return source
	}
	return name
}

// identity checks a node that passes its operand on: Identity, or Dropout outside training.
func (d *decoder) identity(n *node) error {
	most := 1
	if n.op == "Dropout" {
		most = 3
		for _, name := range []string{"ratio", "seed"} {
			n.attributes = slices.DeleteFunc(n.attributes, func(a attribute) bool { return a.name == name })
		}
		n.more = nil // the mask
		if d.opset < 7 {
			if err := n.want("is_test", 0, 1); err != nil {
				return err
			}
		}
		// The third one says whether it is training, and no operand that it is not.
		if len(n.in) == most {
			return fmt.Errorf("%w: found the operand training_mode %q, expected none", ErrUnsupported, n.in[2])
		}
	}
	if len(n.in) < 1 || len(n.in) > most || n.in[0] == "" {
		return fmt.Errorf("%w: found %d operands, expected 1 to %d", ErrFormat, len(n.in), most)
	}
	return n.exhausted()
}

// exhausted refuses attributes and outputs that nothing has taken.
func (n *node) exhausted() error {
	if len(n.more) > 0 {
		return fmt.Errorf("%w: found %d outputs, expected 1", ErrUnsupported, 1+len(n.more))
	}
	if len(n.attributes) > 0 {
		return fmt.Errorf("%w: found attribute %q, expected none of that name", ErrUnsupported, n.attributes[0].name)
	}
	return nil
}

// constant returns the value of a Constant node.
func (n *node) constant() (*graph.Tensor, error) {
	if len(n.in) == 0 && len(n.attributes) == 1 {
		a := n.attributes[0]
		switch {
		case a.name == "value" && a.t != nil:
			return a.t, nil
		case a.name == "value_float":
			return graph.Float32Tensor([]int{}, []float32{a.f}), nil
		case a.name == "value_int":
			return graph.Int64Tensor([]int{}, []int64{a.i}), nil
		case a.name == "value_ints":
			return graph.Int64Tensor([]int{len(a.list)}, a.list), nil
		case a.name == "value_floats":
			return graph.RawTensor(graph.Float32, []int{len(a.real) / 4}, a.real), nil
		}
		return nil, fmt.Errorf("%w: found attribute %q, expected value, value_float, value_floats, value_int or value_ints", ErrUnsupported, a.name)
	}
	return nil, fmt.Errorf("%w: found %d operands and %d attributes, expected one attribute", ErrFormat, len(n.in), len(n.attributes))
}

// wrap adds the node to an error.
func (n *node) wrap(err error) error {
	if err == nil {
		return nil
	}
	name := n.name
	if name == "" {
		name = n.out
	}
	return fmt.Errorf("node %q (%s): %w", name, n.op, err)
}

// readOutputs makes the graph's outputs. The value that an Identity node at the end passes
// on takes the output's name; an input, or the value of another output, is copied.
func (d *decoder) readOutputs() error {
	seen := map[*graph.Value]bool{}
	for _, out := range d.outputs {
		name := d.resolve(out.name)
		v, ok := d.values[name]
		if n := d.further[name]; n != nil && !ok {
			return n.wrap(fmt.Errorf("%w: output %q of the graph is not its first", ErrUnsupported, out.name))
		}
		if !ok || v.Const != nil {
			return fmt.Errorf("%w: output %q is not produced by a node", ErrUnsupported, out.name)
		}
		if v.Type != nil || seen[v] {
			if out.name == v.Name {
				return fmt.Errorf("%w: output %q is an input, or stands twice", ErrUnsupported, out.name)
			}
			t, err := d.typeOf(v)
			if err != nil {
				return err
			}
			v = d.g.Add(out.name, graph.Cast{To: t.DType}, v)
		}
		seen[v] = true
		v.Name = out.name
		d.g.Outputs = append(d.g.Outputs, v)
	}
	return nil
}

// verify checks the finished graph, and what nodes and outputs declare of their shapes.
func (d *decoder) verify() error {
	types, err := d.g.Types()
	if err != nil {
		return invalid(err)
	}
	if err := d.weights(); err != nil {
		return err
	}
	for _, check := range d.checks {
		if err := check(types); err != nil {
			return err
		}
	}
	for i, out := range d.outputs {
		if !out.tensor {
			continue
		}
		t := types[d.g.Outputs[i]]
		fits := int64(dataTypes[t.DType]) == out.kind && (out.shape == nil || len(out.shape) == len(t.Shape))
		for k := 0; fits && k < len(out.shape); k++ {
			fits = out.shape[k] == t.Shape[k] || !out.shape[k].Known() || !t.Shape[k].Known()
		}
		if !fits {
			return fmt.Errorf("%w: output %q is declared as %v of element type %d, the network gives %v",
				ErrFormat, out.name, out.shape, out.kind, t)
		}
	}
	return nil
}

// weights refuses nodes whose weights are computed from an input.
func (d *decoder) weights() error {
	varies := map[*graph.Value]bool{}
	for _, v := range d.g.Inputs {
		varies[v] = true
	}
	for _, n := range d.g.Nodes {
		for i, v := range n.Inputs {
			if !varies[v] {
				continue
			}
			varies[n.Output] = true
			switch n.Op.(type) {
			case graph.Conv, graph.ConvTranspose, graph.Gemm, graph.BatchNorm, graph.QuantizeLinear, graph.DequantizeLinear:
				if i > 0 {
					return fmt.Errorf("node %q (%s): %w: operand %q is computed from an input, expected a constant", n.Name(), n.Op.Kind(), ErrUnsupported, v.Name)
				}
			}
		}
	}
	return nil
}

// invalid marks an error of package graph as one of the file, unless it may be good ONNX.
func invalid(err error) error {
	if errors.Is(err, graph.ErrUnsupported) || errors.Is(err, graph.ErrTooLarge) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrFormat, err)
}
