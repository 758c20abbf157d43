package tflite

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// Errors that the package's functions wrap, beside those of package graph.
var (
	ErrFormat      = errors.New("malformed TFLite model")
	ErrUnsupported = graph.ErrUnsupported
)

// Options say how a graph is written.
type Options struct {
	Half bool // weights and biases are float16 in the file, and float32 where it is run
	// Integers: the input and the outputs are int8, and nothing in between is a float, for processors that have
	// no floats. The graph must quantize its input, its outputs, and everything between.
	Integers bool
	// What task libraries (MediaPipe's, Android's) read of the metadata: the names of the classes, and
	// by what pixels of 0 … 255 are normalised, channel by channel.
	Labels    []string
	Mean, Std []float64
}

// maxModel is what offsets reach.
const maxModel = math.MaxInt32

// Encode writes g, whose shapes must all be known, with batch 1. The error wraps [ErrUnsupported] where
// the format has no form for it, [graph.ErrGraph] or [graph.ErrShape] where g is not valid, or is one
// of w's. Nothing is written before the whole graph has been translated.
func Encode(w io.Writer, g *graph.Graph, o Options) error {
	types, err := g.Types()
	if err != nil {
		return err
	}
	e := &encoder{g: g, options: o, types: types, consumers: g.Consumers(), tensors: map[string]int32{}, quantized: map[*graph.Value]*quantized{}, codes: map[[2]int32]uint32{}}
	e.buffers = []blob{{}} // buffer 0 is that of everything that is computed
	if err := e.translate(); err != nil {
		return err
	}
	root, err := e.model()
	if err != nil {
		return err
	}
	l := place(root, identifier)
	tail, err := o.files(l.size)
	if err != nil {
		return err
	}
	if l.size > maxModel-len(tail) {
		return fmt.Errorf("%w: a model of %d bytes, TFLite files hold at most %d", ErrUnsupported, l.size, maxModel)
	}
	if _, err := l.WriteTo(w); err != nil {
		return err
	}
	_, err = w.Write(tail)
	return err
}

// quantized is a value that lies in the file as int8.
type quantized struct {
	tensor int32 // of a value that is computed, −1 of a constant
	name   string
	// Of a constant: its integers, the scale of each element of the axis, or one.
	integers *graph.Tensor
	scales   []float32
	axis     int
}

// encoder translates a graph.
type encoder struct {
	g         *graph.Graph
	options   Options
	types     map[*graph.Value]graph.Type
	consumers map[*graph.Value][]*graph.Node

	list      []table
	tensors   map[string]int32 // by name
	buffers   []blob
	operators tables
	codeList  tables
	codes     map[[2]int32]uint32 // by code and version
	// Values that DequantizeLinear gives: what they stand for.
	quantized map[*graph.Value]*quantized
}

func (e *encoder) translate() error {
	if len(e.g.Inputs) != 1 {
		return fmt.Errorf("%w: a network with %d inputs, expected one", ErrUnsupported, len(e.g.Inputs))
	}
	in := e.g.Inputs[0]
	if err := e.input(in); err != nil {
		return err
	}
	for _, n := range e.g.Nodes {
		if err := e.node(n); err != nil {
			return fmt.Errorf("node %q (%s): %w", n.Name(), n.Op.Kind(), err)
		}
		// What is dequantized is a tensor only where something reads it as float32.
		if _, pair := n.Op.(graph.DequantizeLinear); e.options.Integers && !pair && e.floats() {
			return fmt.Errorf("node %q (%s): %w in integers alone; with float32 as input and output (without --int8-io) it is a float between integers", n.Name(), n.Op.Kind(), ErrUnsupported)
		}
	}
	return nil
}

// input adds the network's input, which is what it is quantized to where all is integers.
func (e *encoder) input(in *graph.Value) error {
	if !e.options.Integers {
		_, err := e.value(in, in.Name)
		return err
	}
	q := e.quantizes(in)
	if q == nil {
		return fmt.Errorf("%w: %q is not quantized for all that read it, expected int8", ErrUnsupported, in.Name)
	}
	scale, zero, err := parameters(q)
	if err != nil {
		return err
	}
	s, err := e.shape(in)
	if err != nil {
		return err
	}
	e.tensors[q.Output.Name] = e.add(in.Name, s, typeInt8, 0, quantization(scale, zero))
	return nil
}

// floats reports whether there is a tensor of floats.
func (e *encoder) floats() bool {
	return slices.ContainsFunc(e.list, func(t table) bool { k := t[tensorType]; return k == nil || k == int8(typeFloat16) })
}

// shape is that of a value in the file: channels last, batch 1.
func (e *encoder) shape(v *graph.Value) ([]int32, error) {
	t := e.types[v]
	dims, ok := t.Shape.Ints()
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %q has the shape %v, expected sizes that are known", ErrUnsupported, v.Name, t.Shape)
	case len(dims) != 2 && len(dims) != 4:
		return nil, fmt.Errorf("%w: %q has the shape %v, expected N×C×H×W or N×C", ErrUnsupported, v.Name, t.Shape)
	case dims[0] != 1:
		return nil, fmt.Errorf("%w: %q has the shape %v, expected batch 1", ErrUnsupported, v.Name, t.Shape)
	case len(dims) == 2:
		return []int32{1, int32(dims[1])}, nil
	}
	return []int32{1, int32(dims[2]), int32(dims[3]), int32(dims[1])}, nil
}

// add adds a tensor.
func (e *encoder) add(name string, shape []int32, kind int8, buffer int, quantization table) int32 {
	t := table{tensorShape: shape, tensorBuffer: uint32(buffer), tensorName: text(name), tensorHasRank: true}
	if kind != typeFloat32 {
		t[tensorType] = kind
	}
	if quantization != nil {
		t[tensorQuantization] = quantization
	}
	i := int32(len(e.list))
	e.list = append(e.list, t)
	e.tensors[name] = i
	return i
}

// value returns the tensor of a value that is computed in float32, under a name.
func (e *encoder) value(v *graph.Value, name string) (int32, error) {
	if i, ok := e.tensors[name]; ok {
		return i, nil
	}
	if d := e.types[v].DType; d != graph.Float32 {
		return 0, fmt.Errorf("%w: %q is of %v, expected float32", ErrUnsupported, v.Name, d)
	}
	s, err := e.shape(v)
	if err != nil {
		return 0, err
	}
	return e.add(name, s, typeFloat32, 0, nil), nil
}

// constant adds a tensor of a constant's bytes.
func (e *encoder) constant(name string, shape []int32, kind int8, quantization table, data ...[]byte) int32 {
	e.buffers = append(e.buffers, blob{data})
	return e.add(name, shape, kind, len(e.buffers)-1, quantization)
}

// emit adds an operator.
func (e *encoder) emit(op *operator, integer bool, in []int32, out int32, options table) {
	v := op.float
	if integer {
		v = op.int8
	}
	e.emitVersion(op, v, in, out, options)
}

func (e *encoder) emitVersion(op *operator, v int32, in []int32, out int32, options table) {
	key := [2]int32{op.code, v}
	code, ok := e.codes[key]
	if !ok {
		code = uint32(len(e.codeList))
		e.codes[key] = code
		e.codeList = append(e.codeList, table{codeOld: int8(min(op.code, 127)), codeVersion: v, codeNew: op.code})
	}
	t := table{opCode: code, opInputs: in, opOutputs: []int32{out}}
	if op.options != 0 && options != nil {
		t[opOptionsType], t[opOptions] = op.options, options
	}
	e.operators = append(e.operators, t)
}

// quantization is that of activations: one scale and zero point.
func quantization(scale float32, zero int64) table {
	return table{quantScale: []float32{scale}, quantZero: []int64{zero}}
}

// parameters are the scale and zero point of a (De)QuantizeLinear for int8.
func parameters(n *graph.Node) (scale float32, zero int64, err error) {
	s, z := n.Inputs[1].Const, n.Inputs[2].Const
	if s == nil || z == nil || s.Len() != 1 || z.Len() != 1 || s.DType != graph.Float32 || z.DType != graph.Uint8 && z.DType != graph.Int8 {
		return 0, 0, fmt.Errorf("%w: quantization by something else than a constant scale of float32 and zero point of 8 bits", ErrUnsupported)
	}
	zero = int64(z.Float64s()[0])
	if z.DType == graph.Uint8 {
		zero -= 128
	}
	return s.Float32s()[0], zero, nil
}

// node translates one node.
func (e *encoder) node(n *graph.Node) error {
	switch op := n.Op.(type) {
	case graph.QuantizeLinear:
		return e.quantize(n)
	case graph.DequantizeLinear:
		return e.dequantize(n, op)
	}
	f := translations[n.Op.Kind()]
	if f == nil {
		return fmt.Errorf("%w operator in TFLite", ErrUnsupported)
	}
	return f(e, n)
}

// quantizes returns the QuantizeLinear that alone reads a value which is no output; nil for others.
func (e *encoder) quantizes(v *graph.Value) *graph.Node {
	if c := e.consumers[v]; len(c) == 1 && !e.g.IsOutput(v) {
		if _, ok := c[0].Op.(graph.QuantizeLinear); ok && c[0].Inputs[0] == v {
			return c[0]
		}
	}
	return nil
}

// quantize adds QUANTIZE, unless the operator before gives the integers itself.
func (e *encoder) quantize(n *graph.Node) error {
	name := n.Output.Name
	if _, ok := e.tensors[name]; ok {
		return nil
	}
	scale, zero, err := parameters(n)
	if err != nil {
		return err
	}
	in, err := e.float(n.Inputs[0])
	if err != nil {
		return err
	}
	s, err := e.shape(n.Output)
	if err != nil {
		return err
	}
	e.emit(opQuantize, false, []int32{in}, e.add(name, s, typeInt8, 0, quantization(scale, zero)), table{})
	return nil
}

// dequantize notes what a value stands for. It is computed where something reads it as float32.
func (e *encoder) dequantize(n *graph.Node, op graph.DequantizeLinear) error {
	x := n.Inputs[0]
	if x.Const == nil {
		i, ok := e.tensors[x.Name]
		if !ok {
			return fmt.Errorf("%w: it reads %q, which is not quantized here", ErrUnsupported, x.Name)
		}
		e.quantized[n.Output] = &quantized{tensor: i, name: n.Output.Name}
		if e.g.IsOutput(n.Output) && !e.options.Integers {
			_, err := e.float(n.Output)
			return err
		}
		return nil
	}
	s, z := n.Inputs[1].Const, n.Inputs[2].Const
	if s == nil || z == nil || s.DType != graph.Float32 || slices.ContainsFunc(z.Float64s(), func(v float64) bool { return v != 0 }) {
		return fmt.Errorf("%w: a constant with zero points, expected symmetric ones", ErrUnsupported)
	}
	q := &quantized{tensor: -1, name: n.Output.Name, integers: x.Const, scales: s.Float32s(), axis: op.Axis}
	if len(q.scales) > 1 && op.Axis != 0 {
		return fmt.Errorf("%w: a constant with scales along axis %d, expected 0", ErrUnsupported, op.Axis)
	}
	e.quantized[n.Output] = q
	return nil
}

// float returns the tensor of a value in float32.
func (e *encoder) float(v *graph.Value) (int32, error) {
	q := e.quantized[v]
	if q == nil {
		if v.Const != nil {
			return 0, fmt.Errorf("%w: %q is a constant, expected a computed operand", ErrUnsupported, v.Name)
		}
		return e.value(v, v.Name)
	}
	if i, ok := e.tensors[q.name]; ok {
		return i, nil
	}
	if q.tensor < 0 {
		return 0, fmt.Errorf("%w: %q is a constant, expected a computed operand", ErrUnsupported, v.Name)
	}
	i, err := e.value(v, q.name)
	if err != nil {
		return 0, err
	}
	e.emit(opDequantize, true, []int32{q.tensor}, i, table{})
	return i, nil
}

// operands are the tensors that an operator reads, and the one that it gives. They are of int8 where
// all values that are read and the one that is given are quantized, and the operator works on
// integers.
type operands struct {
	in      []int32
	out     int32
	integer bool
	scales  []float32 // of operands and result, where they are of int8
	zero    int64     // of the result
}

// operands returns those of a node whose first k operands are computed.
func (e *encoder) operands(n *graph.Node, k int, integers bool) (o operands, err error) {
	q := e.quantizes(n.Output)
	for _, v := range n.Inputs[:k] {
		integers = integers && e.quantized[v] != nil && e.quantized[v].tensor >= 0
	}
	for _, v := range n.Inputs[k:] {
		integers = integers && e.quantized[v] != nil
	}
	if !integers || q == nil {
		for _, v := range n.Inputs[:k] {
			i, err := e.float(v)
			if err != nil {
				return o, err
			}
			o.in = append(o.in, i)
		}
		o.out, err = e.value(n.Output, n.Name())
		return o, err
	}
	o.integer = true
	for _, v := range n.Inputs[:k] {
		i := e.quantized[v].tensor
		o.in = append(o.in, i)
		o.scales = append(o.scales, e.list[i][tensorQuantization].(table)[quantScale].([]float32)[0])
	}
	scale, zero, err := parameters(q)
	if err != nil {
		return o, err
	}
	s, err := e.shape(n.Output)
	o.scales, o.zero = append(o.scales, scale), zero
	o.out = e.add(q.Output.Name, s, typeInt8, 0, quantization(scale, zero))
	return o, err
}

// model makes the root table.
func (e *encoder) model() (table, error) {
	var outputs []int32
	signature := table{signatureKey: text("serving_default")}
	entry := func(v *graph.Value, i int32) table { return table{mapName: text(v.Name), mapTensor: uint32(i)} }
	var ins, outs tables
	ins = append(ins, entry(e.g.Inputs[0], 0))
	for _, v := range e.g.Outputs {
		i, ok := e.tensors[v.Name]
		if q := e.quantized[v]; e.options.Integers && q != nil {
			i, ok = q.tensor, true
			e.list[i][tensorName] = text(v.Name)
		}
		if !ok {
			return nil, fmt.Errorf("%w: output %q is not of float32", ErrUnsupported, v.Name)
		}
		outputs = append(outputs, i)
		outs = append(outs, entry(v, i))
	}
	signature[signatureInputs], signature[signatureOutputs] = ins, outs
	own, err := json.Marshal(ownMetadata{e.g.Name, e.g.Metadata})
	if err != nil {
		return nil, err
	}
	metadata := tables{{metadataName: text(metadataEntry), metadataBuffer: uint32(len(e.buffers))}}
	e.buffers = append(e.buffers, blob{[][]byte{own}})
	if described := e.described(); described != nil {
		metadata = append(metadata, table{metadataName: text(describedEntry), metadataBuffer: uint32(len(e.buffers))})
		e.buffers = append(e.buffers, blob{[][]byte{described}})
	}
	var buffers tables
	for _, b := range e.buffers {
		if len(b.parts) == 0 {
			buffers = append(buffers, table{})
		} else {
			buffers = append(buffers, table{bufferData: b})
		}
	}
	subgraph := table{graphTensors: tables(e.list), graphInputs: []int32{0}, graphOutputs: outputs, graphOperators: e.operators, graphName: text("main")}
	return table{
		modelVersion: uint32(version), modelCodes: e.codeList, modelSubgraphs: tables{subgraph}, modelDescription: text("repvit " + e.g.Name),
		modelBuffers: buffers, modelMetadata: metadata, modelSignatures: tables{signature},
	}, nil
}

// ownMetadata is this project's metadata of a file.
type ownMetadata struct {
	Name     string            `json:"name"`
	Metadata map[string]string `json:"metadata"`
}
