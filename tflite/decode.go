package tflite

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/repvit-go/repvit/graph"
)

// Limits beside those of package graph.
const (
	maxTensors  = 1 << 17
	maxOperands = 16
	maxMetadata = 16 << 20 // bytes
)

// Is reports whether data begins like a TFLite model.
func Is(data []byte) bool { return len(data) >= 8 && string(data[4:8]) == identifier }

// Decode reads a model that [Encode] wrote. Weights that lie in the file as the graph has them are views of
// data, which must not change while the graph is in use. The error wraps [ErrFormat] where data breaks
// the format, [ErrUnsupported] where it is a model of another kind, and [graph.ErrTooLarge].
func Decode(data []byte) (*graph.Graph, error) {
	if !Is(data) {
		return nil, fmt.Errorf("%w: expected the identifier %s at byte 4", ErrFormat, identifier)
	}
	r := &reader{data: data}
	d := &decoder{r: r, g: &graph.Graph{}, values: map[int]*graph.Value{}}
	err := d.model(r.table(r.u32(0)))
	if r.err != nil {
		err = r.err // whatever came of it
	}
	if err == nil {
		err = d.g.Validate()
	}
	if errors.Is(err, graph.ErrGraph) || errors.Is(err, graph.ErrShape) {
		err = fmt.Errorf("%w: %w", ErrFormat, err)
	}
	if err != nil {
		return nil, err
	}
	return d.g, nil
}

// decoder makes a graph of a model.
type decoder struct {
	r       *reader
	g       *graph.Graph
	buffers [][]byte
	tensors []tensor
	ops     []*operator
	values  map[int]*graph.Value // of tensors, in the form that the graph has
	bytes   map[int]*graph.Value // of tensors of int8: what QuantizeLinear gives
	halves  map[int]*tensor      // constants of float16, by the tensor that they become
	padded  map[int]*padded

	parameters map[string][2]*graph.Value // scales and zero points of activations, by the tensor's name
}

// tensor is one of the file.
type tensor struct {
	name   string
	shape  []int
	kind   int
	data   []byte // nil of what is computed
	scales []float32
	zeros  []int64
	axis   int
}

func (d *decoder) model(m *view) error {
	if v := m.int(modelVersion, 0); v != version {
		return fmt.Errorf("%w: schema version %d, expected %d", ErrUnsupported, v, version)
	}
	graphs := m.tables(modelSubgraphs)
	if d.r.err != nil {
		return d.r.err
	}
	if len(graphs) != 1 {
		return fmt.Errorf("%w: %d subgraphs, expected one", ErrUnsupported, len(graphs))
	}
	for _, b := range m.tables(modelBuffers) {
		if b.has(bufferOffset) || b.has(bufferSize) {
			return fmt.Errorf("%w: buffers behind the flatbuffer", ErrUnsupported)
		}
		data, _ := b.vector(bufferData, 1)
		d.buffers = append(d.buffers, data)
	}
	for _, c := range m.tables(modelCodes) {
		code := max(c.byte(codeOld), c.int(codeNew, 0))
		i := slices.IndexFunc(operators, func(o *operator) bool { return int(o.code) == code })
		if i < 0 {
			return fmt.Errorf("%w: operator code %d, expected one that this package writes", ErrUnsupported, code)
		}
		d.ops = append(d.ops, operators[i])
	}
	if err := d.metadata(m); err != nil {
		return err
	}
	g := graphs[0]
	tensors := g.tables(graphTensors)
	if len(tensors) > maxTensors {
		return fmt.Errorf("%w: %d tensors, expected at most %d", graph.ErrTooLarge, len(tensors), maxTensors)
	}
	for i, t := range tensors {
		x, err := d.tensor(t)
		if err != nil {
			return fmt.Errorf("tensor %d: %w", i, err)
		}
		d.tensors = append(d.tensors, x)
	}
	if d.r.err != nil {
		return d.r.err
	}
	return d.graph(g)
}

// metadata reads the graph's name and metadata.
func (d *decoder) metadata(m *view) error {
	for _, e := range m.tables(modelMetadata) {
		if e.text(metadataName) != metadataEntry {
			continue
		}
		i := e.int(metadataBuffer, 0)
		if i < 0 || i >= len(d.buffers) || len(d.buffers[i]) > maxMetadata {
			return fmt.Errorf("%w: metadata in buffer %d, expected one of %d with at most %d bytes", ErrFormat, i, len(d.buffers), maxMetadata)
		}
		var own ownMetadata
		j := json.NewDecoder(bytes.NewReader(d.buffers[i]))
		if err := j.Decode(&own); err != nil {
			return fmt.Errorf("%w: metadata %q: %w", ErrFormat, metadataEntry, err)
		}
		d.g.Name, d.g.Metadata = own.Name, own.Metadata
	}
	return nil
}

func (d *decoder) tensor(t *view) (x tensor, err error) {
	x.name, x.kind = t.text(tensorName), t.byte(tensorType)
	if _, n := t.vector(tensorShape, 4); n > graph.MaxAxes {
		return x, fmt.Errorf("%w: %d axes, expected at most %d", graph.ErrTooLarge, n, graph.MaxAxes)
	}
	x.shape = t.ints(tensorShape)
	if t.has(tensorSparsity) || t.has(tensorVariants) || t.byte(tensorVariable) != 0 {
		return x, fmt.Errorf("%w: %q is sparse or a variable", ErrUnsupported, x.name)
	}
	n := 1
	for _, s := range x.shape {
		if s < 1 || s > graph.MaxElements/n {
			return x, fmt.Errorf("%w: %q has the shape %v", ErrFormat, x.name, x.shape)
		}
		n *= s
	}
	i := t.int(tensorBuffer, 0)
	if i < 0 || i >= len(d.buffers) {
		return x, fmt.Errorf("%w: %q is in buffer %d of %d", ErrFormat, x.name, i, len(d.buffers))
	}
	size := map[int]int{typeFloat32: 4, typeFloat16: 2, typeInt32: 4, typeInt64: 8, typeInt8: 1}[x.kind]
	if size == 0 {
		return x, fmt.Errorf("%w: %q is of type %d", ErrUnsupported, x.name, x.kind)
	}
	if b := d.buffers[i]; len(b) > 0 {
		if len(b) != n*size {
			return x, fmt.Errorf("%w: %q has %d bytes, expected %d of shape %v", ErrFormat, x.name, len(b), n*size, x.shape)
		}
		x.data = b
	}
	if q := t.table(tensorQuantization); q != nil {
		if q.byte(quantDetails) != 0 {
			return x, fmt.Errorf("%w: %q is quantized in another way", ErrUnsupported, x.name)
		}
		_, scales := q.vector(quantScale, 4)
		_, zeros := q.vector(quantZero, 8)
		x.axis = q.int(quantAxis, 0)
		if scales != zeros || scales > 1 && (x.axis < 0 || x.axis >= len(x.shape) || x.shape[x.axis] != scales) {
			return x, fmt.Errorf("%w: %q has %d scales and %d zero points", ErrFormat, x.name, scales, zeros)
		}
		x.scales, x.zeros = q.floats(quantScale), q.longs(quantZero)
	}
	return x, nil
}

func (d *decoder) graph(g *view) error {
	inputs, outputs := g.ints(graphInputs), g.ints(graphOutputs)
	if len(inputs) != 1 || inputs[0] < 0 || inputs[0] >= len(d.tensors) {
		return fmt.Errorf("%w: inputs %v, expected one", ErrUnsupported, inputs)
	}
	in := d.tensors[inputs[0]]
	if in.kind != typeFloat32 && in.kind != typeInt8 || len(in.shape) != 4 && len(in.shape) != 2 || in.data != nil {
		return fmt.Errorf("%w: an input of type %d and shape %v, expected float32 or int8, 1×H×W×C or 1×C", ErrUnsupported, in.kind, in.shape)
	}
	v := &graph.Value{Name: in.name, Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(planar(in.shape)...)}}
	d.g.Inputs = []*graph.Value{v}
	d.parameters = map[string][2]*graph.Value{}
	d.bytes, d.halves, d.padded = map[int]*graph.Value{}, map[int]*tensor{}, map[int]*padded{}
	if in.kind == typeInt8 { // graphs take floats, and begin with what makes them integers
		scale, zero, err := d.activation(in)
		if err != nil {
			return fmt.Errorf("input: %w", err)
		}
		d.bytes[inputs[0]] = d.g.Add(in.name+".int8", graph.QuantizeLinear{}, v, scale, zero)
	} else {
		d.values[inputs[0]] = v
	}
	var ops []operation
	for _, v := range g.tables(graphOperators) {
		if len(ops) > graph.MaxNodes {
			return fmt.Errorf("%w: more than %d operators", graph.ErrTooLarge, graph.MaxNodes)
		}
		o, err := d.operation(v)
		if err != nil {
			return err
		}
		ops = append(ops, o)
	}
	for len(ops) > 0 {
		n, err := d.spelled(ops)
		if n == 0 && err == nil {
			n, err = 1, d.operator(ops[0])
		}
		if err == nil {
			err = d.r.err
		}
		if err != nil {
			return fmt.Errorf("%q (%s): %w", d.tensors[ops[0].out].name, ops[0].op.name, err)
		}
		ops = ops[n:]
	}
	for _, i := range outputs {
		v, err := d.float(i)
		if err != nil {
			return fmt.Errorf("output: %w", err)
		}
		if q := d.bytes[i]; q != nil && q.Name == d.tensors[i].name { // an output of int8, which is a float in the graph
			q.Name, v.Name = q.Name+".int8", q.Name
		}
		d.g.Outputs = append(d.g.Outputs, v)
	}
	d.g.Prune()
	return nil
}

// planar is the shape N×C×H×W of a shape with channels last.
func planar(s []int) []int {
	if len(s) != 4 {
		return s
	}
	return []int{s[0], s[3], s[1], s[2]}
}

// operation is an operator that is read.
type operation struct {
	op      *operator
	in      []int
	out     int
	options *view
}

func (d *decoder) operation(v *view) (operation, error) {
	o := operation{in: v.ints(opInputs), options: v.table(opOptions)}
	code, outs := v.int(opCode, 0), v.ints(opOutputs)
	switch {
	case d.r.err != nil:
		return o, d.r.err
	case code < 0 || code >= len(d.ops):
		return o, fmt.Errorf("%w: operator code %d of %d", ErrFormat, code, len(d.ops))
	case len(outs) != 1 || len(o.in) == 0 || len(o.in) > maxOperands || v.has(opCustom):
		return o, fmt.Errorf("%w: %s with %d operands and %d results", ErrUnsupported, d.ops[code].name, len(o.in), len(outs))
	}
	o.op, o.out = d.ops[code], outs[0]
	for _, i := range append(o.in, o.out) {
		if i < 0 || i >= len(d.tensors) {
			return o, fmt.Errorf("%w: %s of tensor %d, expected one of %d", ErrFormat, o.op.name, i, len(d.tensors))
		}
	}
	if o.options == nil {
		o.options = &view{r: d.r}
	} else if o.op.options == 0 || v.byte(opOptionsType) != int(o.op.options) {
		return o, fmt.Errorf("%w: %s with options of type %d", ErrUnsupported, o.op.name, v.byte(opOptionsType))
	}
	return o, nil
}

// operator adds what an operation stands for to the graph.
func (d *decoder) operator(o operation) error {
	if d.values[o.out] != nil || d.bytes[o.out] != nil || d.tensors[o.out].data != nil {
		return fmt.Errorf("%w: it is produced twice", ErrFormat)
	}
	f := readers[o.op]
	if f == nil {
		return fmt.Errorf("%w: it is no part of an operator that this package spells", ErrUnsupported)
	}
	return f(d, o)
}

// float returns a tensor's value in float32.
func (d *decoder) float(i int) (*graph.Value, error) {
	if i < 0 || i >= len(d.tensors) {
		return nil, fmt.Errorf("%w: tensor %d, expected one of %d", ErrFormat, i, len(d.tensors))
	}
	if v := d.values[i]; v != nil {
		return v, nil
	}
	t := d.tensors[i]
	q := d.bytes[i]
	if q == nil {
		return nil, fmt.Errorf("%w: it reads %q, which nothing before it produces", ErrFormat, t.name)
	}
	scale, zero, err := d.activation(t)
	if err != nil {
		return nil, err
	}
	v := d.g.Add(t.name+".float", graph.DequantizeLinear{}, q, scale, zero)
	d.values[i] = v
	return v, nil
}

// activation returns the scale and zero point of activations, which are of uint8 in the graph.
func (d *decoder) activation(t tensor) (scale, zero *graph.Value, err error) {
	if len(t.scales) != 1 || t.zeros[0] < -128 || t.zeros[0] > 127 {
		return nil, nil, fmt.Errorf("%w: %q has %d scales, expected one, and a zero point of int8", ErrUnsupported, t.name, len(t.scales))
	}
	p, ok := d.parameters[t.name]
	if !ok {
		p = [2]*graph.Value{graph.Weight(t.name+".scale", graph.Float32Tensor([]int{}, t.scales)), graph.Weight(t.name+".zero_point", graph.Uint8Tensor([]int{}, []uint8{uint8(t.zeros[0] + 128)}))}
		d.parameters[t.name] = p
	}
	return p[0], p[1], nil
}

// result adds a node whose value is an operator's result, quantized where that is of int8.
func (d *decoder) result(o operation, op graph.Op, in ...*graph.Value) error {
	t := d.tensors[o.out]
	switch t.kind {
	case typeFloat32:
		d.values[o.out] = d.g.Add(t.name, op, in...)
	case typeInt8:
		scale, zero, err := d.activation(t)
		if err != nil {
			return err
		}
		d.bytes[o.out] = d.g.Add(t.name, graph.QuantizeLinear{}, d.g.Add(t.name+".raw", op, in...), scale, zero)
	default:
		return fmt.Errorf("%w: a result of type %d", ErrUnsupported, t.kind)
	}
	return nil
}

// operands returns the first k operands as float32.
func (d *decoder) operands(o operation, k int) ([]*graph.Value, error) {
	if len(o.in) < k {
		return nil, fmt.Errorf("%w: %d operands, expected %d", ErrFormat, len(o.in), k)
	}
	var in []*graph.Value
	for _, i := range o.in[:k] {
		v, err := d.float(i)
		if err != nil {
			return nil, err
		}
		in = append(in, v)
	}
	return in, nil
}

var readers map[*operator]func(*decoder, operation) error

func init() {
	readers = map[*operator]func(*decoder, operation) error{
		opAdd: elementwise(graph.Add{}, 2), opMul: elementwise(graph.Mul{}, 2), opRelu: elementwise(graph.Relu{}, 1), opLogistic: elementwise(graph.Sigmoid{}, 1),
		opHardSwish: elementwise(graph.HardSwish{}, 1), opGelu: (*decoder).gelu, opSoftmax: elementwise(graph.Softmax{}, 1),
		opMean: (*decoder).mean, opReshape: (*decoder).reshape, opPad: (*decoder).pad, opBilinear: (*decoder).resize, opNearest: (*decoder).resize, opConv: (*decoder).conv, opDepthwise: (*decoder).conv,
		opMaxPool: (*decoder).maxPool, opArgMax: (*decoder).argMax, opCast: (*decoder).cast, opConnected: (*decoder).connected, opQuantize: (*decoder).quantize, opDequantize: (*decoder).dequantize,
	}
}

func elementwise(op graph.Op, operands int) func(*decoder, operation) error {
	return func(d *decoder, o operation) error {
		in, err := d.operands(o, operands)
		if err != nil {
			return err
		}
		if o.op == opSoftmax && o.options.int(softmaxBeta, 0) != 0x3f800000 {
			return fmt.Errorf("%w: beta is not 1", ErrUnsupported)
		}
		if operands == 2 && o.options.byte(0) != activationNone {
			return fmt.Errorf("%w: an activation function in it", ErrUnsupported)
		}
		return d.result(o, op, in...)
	}
}

func (d *decoder) gelu(o operation) error {
	if o.options.byte(approximate) != 0 {
		return fmt.Errorf("%w: the approximation by tanh", ErrUnsupported)
	}
	return elementwise(graph.Gelu{}, 1)(d, o)
}

// constants returns a constant operand of integers.
func (d *decoder) constants(i int) []int {
	t := d.tensors[i]
	if t.kind != typeInt32 || len(t.data) > 1<<10 {
		return nil
	}
	list := make([]int, len(t.data)/4)
	for k := range list {
		list[k] = int(int32(binary.LittleEndian.Uint32(t.data[4*k:])))
	}
	return list
}

func (d *decoder) mean(o operation) error {
	if len(o.in) != 2 || !slices.Equal(d.constants(o.in[1]), []int{1, 2}) || o.options.byte(keepDims) == 0 {
		return fmt.Errorf("%w: other axes than rows and columns", ErrUnsupported)
	}
	in, err := d.operands(o, 1)
	if err != nil {
		return err
	}
	return d.result(o, graph.GlobalAveragePool{}, in...)
}

func (d *decoder) resize(o operation) error {
	op := graph.Resize{Mode: "linear", Coordinates: "half_pixel"}
	corners, centres := o.options.byte(bilinearCorners) != 0, o.options.byte(bilinearCentres) != 0
	if o.op == opNearest {
		op.Mode, op.Coordinates, op.Nearest = "nearest", "asymmetric", "floor"
		corners, centres = o.options.byte(nearestCorners) != 0, o.options.byte(nearestCentres) != 0
	} else if corners {
		op.Coordinates = "align_corners"
	}
	if len(o.in) != 2 || corners && centres || o.op == opNearest && (corners || centres) || o.op == opBilinear && !corners && !centres {
		return fmt.Errorf("%w: %d operands, corners %v, pixels' centres %v", ErrUnsupported, len(o.in), corners, centres)
	}
	to := d.constants(o.in[1])
	if len(to) != 2 {
		return fmt.Errorf("%w: to a size that is no constant of two numbers", ErrUnsupported)
	}
	op.Sizes = [2]int(to)
	in, err := d.operands(o, 1)
	if err != nil {
		return err
	}
	return d.result(o, op, in...)
}

func (d *decoder) maxPool(o operation) error {
	x, y := d.tensors[o.in[0]], d.tensors[o.out]
	in, err := d.operands(o, 1)
	if err != nil {
		return err
	}
	v := o.options
	op := graph.MaxPool{Kernel: [2]int{v.int(poolH, 0), v.int(poolW, 0)}, Strides: [2]int{v.int(poolStrideH, 0), v.int(poolStrideW, 0)}}
	if len(o.in) != 1 || len(x.shape) != 4 || v.byte(poolActivation) != activationNone || min(op.Strides[0], op.Strides[1]) < 1 ||
		x.kind == typeInt8 && (!slices.Equal(x.scales, y.scales) || !slices.Equal(x.zeros, y.zeros)) {
		return fmt.Errorf("%w: windows of %v by %v, with an activation function or another quantization behind it", ErrUnsupported, op.Kernel, op.Strides)
	}
	switch p := v.byte(poolPadding); p {
	case paddingValid:
	case paddingSame:
		for i := range 2 {
			s := same(x.shape[1+i], op.Kernel[i], op.Strides[i], 1)
			op.Pads[i], op.Pads[2+i] = s[0], s[1]
		}
	default:
		return fmt.Errorf("%w: padding of kind %d", ErrFormat, p)
	}
	return d.result(o, op, in...)
}

// argMax gives indices of int64 in the graph, and keeps the axis.
func (d *decoder) argMax(o operation) error {
	x, y := d.tensors[o.in[0]], d.tensors[o.out]
	if len(o.in) != 2 || !slices.Equal(d.constants(o.in[1]), []int{3}) || len(x.shape) != 4 || y.kind != typeInt32 || o.options.byte(argMaxType) != typeInt32 {
		return fmt.Errorf("%w: of %v to type %d, expected the channels' indices as int32", ErrUnsupported, x.shape, y.kind)
	}
	in, err := d.operands(o, 1)
	if err != nil {
		return err
	}
	d.values[o.out] = d.g.Add(y.name, graph.ArgMax{Axis: -3, KeepDims: true}, in...)
	return nil
}

func (d *decoder) cast(o operation) error {
	if d.tensors[o.in[0]].kind != typeInt32 || d.tensors[o.out].kind != typeFloat32 {
		return fmt.Errorf("%w: of type %d, expected indices to float32", ErrUnsupported, d.tensors[o.in[0]].kind)
	}
	return elementwise(graph.Cast{To: graph.Float32}, 1)(d, o)
}

// reshape is of one pixel.
func (d *decoder) reshape(o operation) error {
	x, y := d.tensors[o.in[0]], d.tensors[o.out]
	if x.kind == typeInt8 && (!slices.Equal(x.scales, y.scales) || !slices.Equal(x.zeros, y.zeros)) {
		return fmt.Errorf("%w: another quantization behind it", ErrFormat)
	}
	if len(x.shape) != 4 || x.shape[1]*x.shape[2] != 1 || len(y.shape) != 2 || y.shape[0] != x.shape[0] || y.shape[1] != x.shape[3] {
		return fmt.Errorf("%w: %v to %v, expected 1×1×1×C to 1×C", ErrUnsupported, x.shape, y.shape)
	}
	in, err := d.operands(o, 1)
	if err != nil {
		return err
	}
	return d.result(o, graph.Flatten{}, in...)
}

// pad is a part of the convolution behind it.
func (d *decoder) pad(o operation) error {
	p := []int(nil)
	if len(o.in) == 2 {
		p = d.constants(o.in[1])
	}
	if len(p) != 8 || p[0] != 0 || p[1] != 0 || p[6] != 0 || p[7] != 0 || slices.Min(p) < 0 {
		return fmt.Errorf("%w: padding %v, expected some of rows and columns", ErrUnsupported, p)
	}
	x, y := d.tensors[o.in[0]], d.tensors[o.out]
	if x.kind == typeInt8 && (!slices.Equal(x.scales, y.scales) || !slices.Equal(x.zeros, y.zeros)) {
		return fmt.Errorf("%w: another quantization behind it", ErrFormat)
	}
	v, err := d.float(o.in[0])
	if err != nil {
		return err
	}
	d.padded[o.out] = &padded{v, x.shape, [4]int{p[2], p[4], p[3], p[5]}}
	return nil
}

// padded is a value with rows and columns of zeros around it.
type padded struct {
	v     *graph.Value
	shape []int  // of the value in the file
	pads  [4]int // top, left, bottom, right
}

func (d *decoder) conv(o operation) error {
	op := graph.Conv{Group: 1}
	depthwise := o.op == opDepthwise
	slots := [...]int{convPadding, convStrideH, convStrideW, convDilationH, convDilationW, convActivation}
	if depthwise {
		slots = [...]int{depthwisePadding, depthwiseStrideH, depthwiseStrideW, depthwiseDilationH, depthwiseDilationW, 4}
	}
	if len(o.in) != 3 || o.options.byte(slots[5]) != activationNone || depthwise && o.options.int(depthwiseMultiplier, 0) != 1 {
		return fmt.Errorf("%w: an activation function in it, no bias, or several filters a channel", ErrUnsupported)
	}
	op.Strides = [2]int{o.options.int(slots[1], 0), o.options.int(slots[2], 0)}
	if dilations := [2]int{o.options.int(slots[3], 1), o.options.int(slots[4], 1)}; dilations != [2]int{1, 1} {
		op.Dilations = dilations
	}
	w := d.tensors[o.in[1]]
	if len(w.shape) != 4 || w.data == nil && d.halves[o.in[1]] == nil || op.Strides[0] < 1 || op.Strides[1] < 1 {
		return fmt.Errorf("%w: a weight of shape %v, strides %v", ErrUnsupported, w.shape, op.Strides)
	}
	x, shape := (*graph.Value)(nil), d.tensors[o.in[0]].shape
	if p := d.padded[o.in[0]]; p != nil {
		x, op.Pads = p.v, p.pads
		if o.options.byte(slots[0]) != paddingValid {
			return fmt.Errorf("%w: padding behind padding", ErrUnsupported)
		}
	} else {
		var err error
		if x, err = d.float(o.in[0]); err != nil {
			return err
		}
		if o.options.byte(slots[0]) == paddingSame {
			if len(shape) != 4 {
				return fmt.Errorf("%w: a convolution of shape %v", ErrFormat, shape)
			}
			dilation := op.Dilation()
			rows := same(shape[1], w.shape[1], op.Strides[0], dilation[0])
			columns := same(shape[2], w.shape[2], op.Strides[1], dilation[1])
			op.Pads = [4]int{rows[0], columns[0], rows[1], columns[1]}
		}
	}
	perm := []int{0, 3, 1, 2} // of the file's axes
	if depthwise {
		op.Group = w.shape[3]
		perm = []int{3, 0, 1, 2}
	}
	weight, bias, err := d.weights(o, perm)
	if err != nil {
		return err
	}
	return d.result(o, op, x, weight, bias)
}

func (d *decoder) connected(o operation) error {
	if len(o.in) != 3 || o.options.byte(0) != activationNone {
		return fmt.Errorf("%w: an activation function in it, or no bias", ErrUnsupported)
	}
	in, err := d.operands(o, 1)
	if err != nil {
		return err
	}
	weight, bias, err := d.weights(o, nil)
	if err != nil {
		return err
	}
	return d.result(o, graph.Gemm{}, in[0], weight, bias)
}

// weights returns weight and bias of a layer, dequantized where they are integers.
func (d *decoder) weights(o operation, perm []int) (weight, bias *graph.Value, err error) {
	if weight, err = d.constant(o.in[1], perm, typeInt8); err == nil {
		bias, err = d.constant(o.in[2], nil, typeInt32)
	}
	return weight, bias, err
}

// constant returns a constant operand with its axes in another order, nil for the same.
func (d *decoder) constant(i int, perm []int, integers int) (*graph.Value, error) {
	if v := d.values[i]; v != nil {
		return v, nil // another layer reads it as well
	}
	t := d.tensors[i]
	half := d.halves[i]
	switch {
	case half != nil:
		h, err := tensorOf(*half, graph.Float16, perm)
		if err != nil {
			return nil, err
		}
		d.values[i] = d.g.Add(t.name, graph.Cast{To: graph.Float32}, graph.Weight(half.name, h))
	case t.data == nil:
		return nil, fmt.Errorf("%w: weight %q is computed", ErrUnsupported, t.name)
	case t.kind == typeFloat32:
		w, err := tensorOf(t, graph.Float32, perm)
		if err != nil {
			return nil, err
		}
		d.values[i] = graph.Weight(t.name, w)
	case t.kind == integers:
		dtype := graph.Int8
		if integers == typeInt32 {
			dtype = graph.Int32
		}
		w, err := tensorOf(t, dtype, perm)
		if err != nil {
			return nil, err
		}
		if len(t.scales) == 0 || slices.ContainsFunc(t.zeros, func(z int64) bool { return z != 0 }) {
			return nil, fmt.Errorf("%w: weight %q with %d scales and zero points %v, expected zero points of 0", ErrUnsupported, t.name, len(t.scales), t.zeros)
		}
		shape, n := []int{len(t.scales)}, len(t.scales)
		if n == 1 {
			shape = []int{}
		} else if perm != nil && perm[0] != t.axis || perm == nil && t.axis != 0 {
			return nil, fmt.Errorf("%w: weight %q has scales along axis %d", ErrUnsupported, t.name, t.axis)
		}
		zero, err := graph.NewTensor(dtype, shape, make([]byte, n*dtype.Size()))
		if err != nil {
			return nil, err
		}
		d.values[i] = d.g.Add(t.name+".float", graph.DequantizeLinear{}, graph.Weight(t.name, w),
			graph.Weight(t.name+".scale", graph.Float32Tensor(shape, t.scales)), graph.Weight(t.name+".zero_point", zero))
	default:
		return nil, fmt.Errorf("%w: weight %q is of type %d", ErrUnsupported, t.name, t.kind)
	}
	return d.values[i], nil
}

// tensorOf returns a constant, a view of the file where its elements lie there as they are wanted.
func tensorOf(t tensor, dtype graph.DType, perm []int) (*graph.Tensor, error) {
	data := t.data
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%uintptr(dtype.Size()) != 0 {
		data = slices.Clone(data)
	}
	x, err := graph.NewTensor(dtype, t.shape, data)
	if err != nil || perm == nil {
		return x, err
	}
	shape := make([]int, len(perm))
	for i, p := range perm {
		shape[i] = t.shape[p]
	}
	return graph.NewTensor(dtype, shape, permuted(x, perm))
}

func (d *decoder) quantize(o operation) error {
	t := d.tensors[o.out]
	in, err := d.operands(o, 1)
	if err != nil {
		return err
	}
	if t.kind != typeInt8 {
		return fmt.Errorf("%w: to type %d, expected int8", ErrUnsupported, t.kind)
	}
	scale, zero, err := d.activation(t)
	if err != nil {
		return err
	}
	d.bytes[o.out] = d.g.Add(t.name, graph.QuantizeLinear{}, in[0], scale, zero)
	return nil
}

// dequantize is of activations, or of a constant of float16.
func (d *decoder) dequantize(o operation) error {
	x, y := d.tensors[o.in[0]], d.tensors[o.out]
	switch {
	case y.kind != typeFloat32 || !slices.Equal(x.shape, y.shape):
		return fmt.Errorf("%w: %v to type %d of shape %v", ErrFormat, x.shape, y.kind, y.shape)
	case x.kind == typeFloat16 && x.data != nil:
		d.halves[o.out] = &x
		return nil
	case x.kind == typeInt8 && d.bytes[o.in[0]] != nil:
		scale, zero, err := d.activation(x)
		if err != nil {
			return err
		}
		d.values[o.out] = d.g.Add(y.name, graph.DequantizeLinear{}, d.bytes[o.in[0]], scale, zero)
		return nil
	}
	return fmt.Errorf("%w: of type %d", ErrUnsupported, x.kind)
}
