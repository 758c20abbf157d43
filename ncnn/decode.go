package ncnn

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
	"unsafe"

	"github.com/repvit-go/repvit/graph"
)

// Is reports whether data begins like a file of layers.
func Is(data []byte) bool { return bytes.HasPrefix(data, []byte(magic+"\n")) }

// maxParam bounds the file of layers, in bytes.
const maxParam = 16 << 20

// Decode reads a model that [Encode] wrote, of its two files. Weights are views of bin where they are
// aligned, which must not change while the graph is in use. The error wraps [ErrFormat] where the files
// break the format, [ErrUnsupported] where they are a model of another kind, and [graph.ErrTooLarge].
func Decode(param, bin []byte) (*graph.Graph, error) {
	if !Is(param) {
		return nil, fmt.Errorf("%w: expected %s in the first line", ErrFormat, magic)
	}
	if len(param) > maxParam {
		return nil, fmt.Errorf("%w: layers of %d bytes, expected at most %d", graph.ErrTooLarge, len(param), maxParam)
	}
	if !utf8.Valid(param) {
		return nil, fmt.Errorf("%w: expected text in UTF-8", ErrFormat)
	}
	d := &decoder{bin: bin, g: &graph.Graph{}, values: map[string]*graph.Value{}, made: map[string]bool{}, last: map[*graph.Value]*channelsLast{}}
	err := d.layers(string(param))
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

type decoder struct {
	bin    []byte
	at     int
	g      *graph.Graph
	values map[string]*graph.Value // of blobs that nothing has read yet; vectors are N×C×1×1
	made   map[string]bool         // every blob
	order  []string                // blobs, in the order in which they are given
	flat   map[*graph.Value]bool
	last   map[*graph.Value]*channelsLast
}

// read is a layer of the file.
type read struct {
	kind, name string
	in         []*graph.Value
	out        []string
	parameters map[int]string
	err        error
}

func (d *decoder) layers(text string) error {
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	if len(lines) < 3 {
		return fmt.Errorf("%w: found %d lines, expected layers", ErrFormat, len(lines))
	}
	counts := strings.Fields(lines[1])
	if len(counts) != 2 || counts[0] != strconv.Itoa(len(lines)-2) {
		return fmt.Errorf("%w: line 2 announces %q, expected %d layers and the number of blobs", ErrFormat, clip(lines[1]), len(lines)-2)
	}
	for i, line := range lines[2:] {
		if err := d.layer(line); err != nil {
			return fmt.Errorf("line %d: %w", i+3, err)
		}
	}
	if counts[1] != strconv.Itoa(len(d.made)) {
		return fmt.Errorf("%w: line 2 announces %s blobs, found %d", ErrFormat, clip(counts[1]), len(d.made))
	}
	if d.at != len(d.bin) {
		return fmt.Errorf("%w: %d bytes of weights are left, expected none", ErrFormat, len(d.bin)-d.at)
	}
	for _, name := range d.order {
		v := d.values[name]
		if v == nil {
			continue // read by a layer
		}
		if v.Type != nil {
			return fmt.Errorf("%w: nothing reads the input", ErrFormat)
		}
		if d.vector(v) {
			v.Name = name + ".vector"
			v = d.g.Add(name, graph.Flatten{}, v)
		}
		v.Name = name
		d.g.Outputs = append(d.g.Outputs, v)
	}
	slices.SortStableFunc(d.g.Outputs, func(a, b *graph.Value) int { // by their numbers
		return cmp.Or(len(a.Name)-len(b.Name), strings.Compare(a.Name, b.Name))
	})
	return nil
}

func clip(s string) string { return s[:min(len(s), 60)] }

// vector reports whether a value is a vector in the file.
func (d *decoder) vector(v *graph.Value) bool { return d.flat[v] }

func (d *decoder) layer(line string) error {
	w := strings.Fields(line)
	if len(w) < 4 {
		return fmt.Errorf("%w: %q is no layer", ErrFormat, clip(line))
	}
	ins, err1 := strconv.Atoi(w[2])
	outs, err2 := strconv.Atoi(w[3])
	if err1 != nil || err2 != nil || ins < 0 || outs < 0 || ins > len(w) || outs > len(w) || 4+ins+outs > len(w) {
		return fmt.Errorf("%w: %q announces %q and %q blobs", ErrFormat, clip(line), clip(w[2]), clip(w[3]))
	}
	l := &read{kind: w[0], name: w[1], out: w[4+ins : 4+ins+outs], parameters: map[int]string{}}
	for _, name := range w[4:][:ins] {
		v := d.values[name]
		if v == nil {
			return fmt.Errorf("%w: %s reads %q, which nothing before it gives, or another layer reads", ErrFormat, clip(l.name), clip(name))
		}
		delete(d.values, name)
		l.in = append(l.in, v)
	}
	for _, p := range w[4+ins+outs:] {
		key, value, ok := strings.Cut(p, "=")
		k, err := strconv.Atoi(key)
		if _, twice := l.parameters[k]; !ok || err != nil || twice {
			return fmt.Errorf("%w: %s has the parameter %q", ErrFormat, clip(l.name), clip(p))
		}
		l.parameters[k] = value
	}
	for _, name := range l.out {
		if d.made[name] {
			return fmt.Errorf("%w: the blob %q is given twice", ErrFormat, clip(name))
		}
		d.made[name] = true
		d.order = append(d.order, name)
	}
	if len(d.g.Nodes) > graph.MaxNodes {
		return fmt.Errorf("%w: more than %d nodes", graph.ErrTooLarge, graph.MaxNodes)
	}
	f := readers[l.kind]
	if f == nil {
		return fmt.Errorf("%w: layer %q", ErrUnsupported, clip(l.kind))
	}
	v, err := f(d, l)
	if err == nil {
		err = l.err
	}
	if err == nil && len(l.parameters) > 0 {
		err = fmt.Errorf("%w: parameters %v", ErrUnsupported, l.parameters)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", l.kind, clip(l.name), err)
	}
	if l.kind != "Split" && len(l.out) != 1 {
		return fmt.Errorf("%w: %s %s gives %d blobs, expected one", ErrFormat, l.kind, clip(l.name), len(l.out))
	}
	for _, name := range l.out {
		d.values[name] = v
	}
	return nil
}

// int takes a parameter that is a whole number.
func (l *read) int(key, missing int) int {
	text, ok := l.parameters[key]
	if !ok {
		return missing
	}
	delete(l.parameters, key)
	n, err := strconv.ParseInt(text, 10, 32)
	if err != nil && l.err == nil {
		l.err = fmt.Errorf("%w: parameter %d=%s", ErrFormat, key, clip(text))
	}
	return int(n)
}

// float takes a parameter that is a number, which must be there.
func (l *read) float(key int) float64 {
	v, err := strconv.ParseFloat(l.parameters[key], 32)
	if (err != nil || !strings.ContainsAny(l.parameters[key], ".e")) && l.err == nil {
		l.err = fmt.Errorf("%w: parameter %d=%s, expected a number with a point", ErrFormat, key, clip(l.parameters[key]))
	}
	delete(l.parameters, key)
	return v
}

// want takes a parameter that is of one value only.
func (l *read) want(key, missing, value int) {
	if got := l.int(key, missing); got != value && l.err == nil {
		l.err = fmt.Errorf("%w: parameter %d=%d, expected %d", ErrUnsupported, key, got, value)
	}
}

var readers map[string]func(*decoder, *read) (*graph.Value, error)

func init() {
	readers = map[string]func(*decoder, *read) (*graph.Value, error){
		"Input": (*decoder).input, "Split": (*decoder).split, "Flatten": (*decoder).flatten,
		"GELU": elementwise(graph.Gelu{}, 1), "ReLU": elementwise(graph.Relu{}, 1), "Sigmoid": elementwise(graph.Sigmoid{}, 1), "HardSwish": (*decoder).hardSwish, "HardSigmoid": (*decoder).hardSigmoid,
		"Permute": (*decoder).permute, "LayerNorm": (*decoder).layerNorm,
		"BinaryOp": (*decoder).binary, "Pooling": (*decoder).pool, "Softmax": (*decoder).softmax, "Interp": (*decoder).interp,
		"Convolution": (*decoder).conv, "ConvolutionDepthWise": (*decoder).conv, "InnerProduct": (*decoder).product,
	}
}

func (d *decoder) input(l *read) (*graph.Value, error) {
	w, h, c := l.int(0, 0), l.int(1, 0), l.int(2, 0)
	if len(d.g.Inputs) > 0 || len(l.out) != 1 || len(l.in) != 0 {
		return nil, fmt.Errorf("%w: a second input", ErrUnsupported)
	}
	shape := graph.FixedShape(1, c, h, w)
	v := &graph.Value{Name: l.out[0], Type: &graph.Type{DType: graph.Float32, Shape: shape}}
	if h == 0 && c == 0 {
		v.Type.Shape = graph.FixedShape(1, w, 1, 1)
	}
	d.g.Inputs = []*graph.Value{v}
	d.flat = map[*graph.Value]bool{v: h == 0 && c == 0}
	return v, nil
}

// operands checks the number of operands.
func (l *read) operands(n int) error {
	if len(l.in) != n {
		return fmt.Errorf("%w: %d operands, expected %d", ErrFormat, len(l.in), n)
	}
	return nil
}

// add adds a node that gives the layer's blob.
func (d *decoder) add(l *read, op graph.Op, in ...*graph.Value) *graph.Value {
	v := d.g.Add(l.name, op, in...)
	d.flat[v] = d.flat[in[0]]
	return v
}

func (d *decoder) split(l *read) (*graph.Value, error) {
	if err := l.operands(1); err != nil {
		return nil, err
	}
	return l.in[0], nil
}

func (d *decoder) flatten(l *read) (*graph.Value, error) {
	if err := l.operands(1); err != nil {
		return nil, err
	}
	if !d.flat[l.in[0]] {
		return nil, fmt.Errorf("%w: of more than a vector", ErrUnsupported)
	}
	return l.in[0], nil
}

func elementwise(op graph.Op, n int) func(*decoder, *read) (*graph.Value, error) {
	return func(d *decoder, l *read) (*graph.Value, error) {
		if err := l.operands(n); err != nil {
			return nil, err
		}
		return d.add(l, op, l.in...), nil
	}
}

func (d *decoder) hardSwish(l *read) (*graph.Value, error) {
	if a, b := l.float(0), l.float(1); float32(a) != float32(1)/6 || b != 0.5 {
		return nil, fmt.Errorf("%w: a slope of %v and %v at 0, expected 1/6 and 1/2", ErrUnsupported, a, b)
	}
	return elementwise(graph.HardSwish{}, 1)(d, l)
}

func (d *decoder) hardSigmoid(l *read) (*graph.Value, error) {
	op := graph.HardSigmoid{Alpha: l.float(0), Beta: l.float(1)}
	if l.err == nil && !(op.Alpha > 0) {
		return nil, fmt.Errorf("%w: a slope of %v, expected one above 0", ErrUnsupported, op.Alpha)
	}
	return elementwise(op, 1)(d, l)
}

// permute is a part of a LayerNorm: it makes channels the last axis of what that reads, or the first again.
func (d *decoder) permute(l *read) (*graph.Value, error) {
	if err := l.operands(1); err != nil {
		return nil, err
	}
	x, order := l.in[0], l.int(0, 0)
	switch {
	case order == orderLast && !d.flat[x] && d.last[x] == nil:
		v := &graph.Value{Name: l.out[0]}
		d.last[v] = &channelsLast{x: x}
		return v, nil
	case order == orderFirst && d.last[x] != nil && d.last[x].y != nil:
		return d.last[x].y, nil
	}
	return nil, fmt.Errorf("%w: order %d, expected it around a LayerNorm of channels", ErrUnsupported, order)
}

// channelsLast is what a Permute made of x, or a LayerNorm of that, whose result with channels first is y.
type channelsLast struct{ x, y *graph.Value }

func (d *decoder) layerNorm(l *read) (*graph.Value, error) {
	if err := l.operands(1); err != nil {
		return nil, err
	}
	x, op, n := l.in[0], graph.LayerNorm{Axes: []int{-3}, Epsilon: l.float(1)}, l.int(0, 0)
	l.want(2, 1, 1)
	last := d.last[x]
	if last == nil && !d.flat[x] || last != nil && last.y != nil || n < 1 || n > graph.MaxElements {
		return nil, fmt.Errorf("%w: over %d elements of a map's rows, expected vectors, or the channels behind a Permute", ErrUnsupported, n)
	}
	in := []*graph.Value{x}
	if last != nil {
		in[0] = last.x
	}
	for _, what := range []string{".weight", ".bias"} {
		b, err := d.take(4 * n)
		if err != nil {
			return nil, err
		}
		t, err := tensor(graph.Float32, []int{n, 1, 1}, b)
		if err != nil {
			return nil, err
		}
		in = append(in, graph.Weight(l.name+what, t))
	}
	y := d.add(l, op, in...)
	if last == nil {
		return y, nil
	}
	v := &graph.Value{Name: l.out[0]}
	d.last[v] = &channelsLast{y: y}
	return v, nil
}

func (d *decoder) binary(l *read) (*graph.Value, error) {
	if err := l.operands(2); err != nil {
		return nil, err
	}
	ops := map[int]graph.Op{0: graph.Add{}, 2: graph.Mul{}}
	kind := l.int(0, 0)
	op := ops[kind]
	if op == nil {
		return nil, fmt.Errorf("%w: operation %d", ErrUnsupported, kind)
	}
	v := d.add(l, op, l.in...)
	d.flat[v] = d.flat[l.in[0]] && d.flat[l.in[1]]
	return v, nil
}

func (d *decoder) pool(l *read) (*graph.Value, error) {
	if err := l.operands(1); err != nil {
		return nil, err
	}
	if kind := l.int(0, 0); kind == 1 {
		l.want(4, 0, 1)
		v := d.add(l, graph.GlobalAveragePool{}, l.in[0])
		d.flat[v] = true
		return v, nil
	} else if kind != 0 || d.flat[l.in[0]] {
		return nil, fmt.Errorf("%w: of kind %d, or of a vector", ErrUnsupported, kind)
	}
	l.want(5, 0, poolFloor)
	kw, sw, left := l.int(1, 0), l.int(2, 1), l.int(3, 0)
	top := l.int(13, left)
	return d.add(l, graph.MaxPool{Kernel: [2]int{l.int(11, kw), kw}, Strides: [2]int{l.int(12, sw), sw}, Pads: [4]int{top, left, l.int(15, top), l.int(14, left)}}, l.in[0]), nil
}

func (d *decoder) softmax(l *read) (*graph.Value, error) {
	l.want(0, 0, 0)
	l.want(1, 0, 1)
	if err := l.operands(1); err != nil {
		return nil, err
	}
	if !d.flat[l.in[0]] {
		return nil, fmt.Errorf("%w: of more than a vector", ErrUnsupported)
	}
	return d.add(l, graph.Softmax{Axis: -3}, l.in[0]), nil
}

func (d *decoder) interp(l *read) (*graph.Value, error) {
	if err := l.operands(1); err != nil {
		return nil, err
	}
	op := graph.Resize{Mode: "linear", Coordinates: "half_pixel", Sizes: [2]int{l.int(3, 0), l.int(4, 0)}}
	kind, corners := l.int(0, 0), l.int(6, 0)
	switch {
	case kind == interpNearest && corners == 0:
		op.Mode, op.Coordinates, op.Nearest = "nearest", "asymmetric", "floor"
	case kind == interpBilinear && corners == 1:
		op.Coordinates = "align_corners"
	case kind != interpBilinear || corners != 0:
		return nil, fmt.Errorf("%w: kind 0=%d with 6=%d", ErrUnsupported, kind, corners)
	}
	if op.Sizes[0] < 1 || op.Sizes[1] < 1 || d.flat[l.in[0]] {
		return nil, fmt.Errorf("%w: of a vector, or to %d×%d", ErrUnsupported, op.Sizes[0], op.Sizes[1])
	}
	return d.add(l, op, l.in[0]), nil
}

func (d *decoder) conv(l *read) (*graph.Value, error) {
	if err := l.operands(1); err != nil {
		return nil, err
	}
	outputs, kw := l.int(0, 0), l.int(1, 0)
	kh := l.int(11, kw)
	op := graph.Conv{Group: 1, Strides: [2]int{l.int(13, 1), l.int(3, 1)}, Pads: [4]int{l.int(14, 0), l.int(4, 0), l.int(16, 0), l.int(15, 0)}}
	if dilations := [2]int{l.int(12, 1), l.int(2, 1)}; dilations != [2]int{1, 1} {
		op.Dilations = dilations
	}
	if l.kind == "ConvolutionDepthWise" {
		op.Group = l.int(7, 1)
	}
	count := l.int(6, 0)
	if outputs < 1 || kw < 1 || kh < 1 || outputs > graph.MaxElements/kw/kh || count%(outputs*kw*kh) != 0 || op.Group < 1 || d.flat[l.in[0]] {
		return nil, fmt.Errorf("%w: %d outputs and a kernel of %d×%d with %d weights", ErrFormat, outputs, kh, kw, count)
	}
	return d.weighted(l, op, []int{outputs, count / (outputs * kw * kh), kh, kw}, 5)
}

func (d *decoder) product(l *read) (*graph.Value, error) {
	if err := l.operands(1); err != nil {
		return nil, err
	}
	outputs, count := l.int(0, 0), l.int(2, 0)
	if outputs < 1 || count < 1 || count%outputs != 0 || !d.flat[l.in[0]] {
		return nil, fmt.Errorf("%w: %d outputs with %d weights", ErrUnsupported, outputs, count)
	}
	return d.weighted(l, graph.Conv{Group: 1, Strides: [2]int{1, 1}}, []int{outputs, count / outputs, 1, 1}, 1)
}

// take returns bytes of the weights.
func (d *decoder) take(n int) ([]byte, error) {
	if n < 0 || n > len(d.bin)-d.at {
		return nil, fmt.Errorf("%w: it needs %d bytes of weights at %d, found %d", ErrFormat, n, d.at, len(d.bin)-d.at)
	}
	b := d.bin[d.at:][:n]
	d.at += n
	return b, nil
}

// tensor makes a constant of bytes, which are copied where they are not aligned.
func tensor(dtype graph.DType, shape []int, b []byte) (*graph.Tensor, error) {
	if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%uintptr(dtype.Size()) != 0 {
		b = slices.Clone(b)
	}
	return graph.NewTensor(dtype, shape, b)
}

// weighted adds a layer with weights; key says which parameter announces a bias.
func (d *decoder) weighted(l *read, op graph.Conv, shape []int, bias int) (*graph.Value, error) {
	l.want(bias, 0, 1)
	term, activation := l.int(8, 0), l.int(9, 0)
	n, err := graph.Numel(shape)
	if err != nil {
		return nil, err
	}
	b, err := d.take(4)
	if err != nil {
		return nil, err
	}
	kinds := map[uint32]graph.DType{tagFloat32: graph.Float32, tagFloat16: graph.Float16, tagInt8: graph.Int8}
	tag := binary.LittleEndian.Uint32(b)
	kind, ok := kinds[tag]
	if !ok || (kind == graph.Int8) != (term != 0) || term < 0 || term > 2 {
		return nil, fmt.Errorf("%w: weights with the tag %#x where 8=%d", ErrUnsupported, tag, term)
	}
	if b, err = d.take(n * kind.Size()); err != nil {
		return nil, err
	}
	if _, err := d.take((4 - n*kind.Size()%4) % 4); err != nil {
		return nil, err
	}
	t, err := tensor(kind, shape, b)
	if err != nil {
		return nil, err
	}
	outputs := shape[0]
	if b, err = d.take(4 * outputs); err != nil {
		return nil, err
	}
	biases, err := tensor(graph.Float32, []int{outputs}, b)
	if err != nil {
		return nil, err
	}
	x, w := l.in[0], graph.Weight(l.name+".weight", t)
	flat := d.flat[x]
	switch kind {
	case graph.Float16:
		w = d.g.Add(l.name+".weight.float", graph.Cast{To: graph.Float32}, w)
	case graph.Int8:
		if x, w, err = d.quantized(l, x, w, outputs); err != nil {
			return nil, err
		}
	}
	name := l.name
	var after graph.Op
	switch activation {
	case activationNone:
	case activationRelu:
		after = graph.Relu{}
	case activationSigmoid:
		after = graph.Sigmoid{}
	default:
		return nil, fmt.Errorf("%w: activation 9=%d", ErrUnsupported, activation)
	}
	v := d.g.Add(name, op, x, w, graph.Weight(l.name+".bias", biases))
	if after != nil {
		v = d.g.Add(name+".act", after, v)
	}
	d.flat[v] = flat
	return v, nil
}

// quantized reads the scales of an int8 layer, and returns its operand and its weight as the integers that
// they are rounded to.
func (d *decoder) quantized(l *read, x, w *graph.Value, outputs int) (*graph.Value, *graph.Value, error) {
	b, err := d.take(4 * (outputs + 1))
	if err != nil {
		return nil, nil, err
	}
	scales := make([]float32, outputs+1)
	for i := range scales {
		s := math.Float32frombits(binary.LittleEndian.Uint32(b[4*i:]))
		if scales[i] = 1 / s; !(s > 0) || !(scales[i] > 0) || scales[i] > math.MaxFloat32 {
			return nil, nil, fmt.Errorf("%w: a scale of %v", ErrFormat, s)
		}
	}
	of := func(name string, shape []int, s []float32) (scale, zero *graph.Value) {
		return graph.Weight(name+".scale", graph.Float32Tensor(shape, s)), graph.Weight(name+".zero_point", graph.Int8Tensor(shape, make([]int8, len(s))))
	}
	s, z := of(l.name+".operand", []int{}, scales[outputs:])
	x = d.g.Add(l.name+".operand", graph.DequantizeLinear{}, d.g.Add(l.name+".operand.int8", graph.QuantizeLinear{}, x, s, z), s, z)
	s, z = of(l.name+".weight", []int{outputs}, scales[:outputs])
	return x, d.g.Add(l.name+".weight.float", graph.DequantizeLinear{}, w, s, z), nil
}
