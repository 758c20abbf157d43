package ncnn

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"

	"github.com/repvit-go/repvit/graph"
)

// Errors that the package's functions wrap, beside those of package graph.
var (
	ErrFormat      = errors.New("malformed ncnn model")
	ErrUnsupported = graph.ErrUnsupported
)

// Options say how a graph is written.
type Options struct {
	Half bool // weights are float16
}

const magic = "7767517"

// Tags of weights.
const (
	tagFloat32 = 0
	tagFloat16 = 0x01306B47
	tagInt8    = 0x000D4B38
)

// Activations that layers with weights have (key 9).
const (
	activationNone    = 0
	activationRelu    = 1
	activationSigmoid = 4
)

// Kinds of Interp (key 0).
const (
	interpNearest  = 1
	interpBilinear = 2
)

// poolFloor is the kind of padding (key 5) with which sizes of pooled maps are rounded down.
const poolFloor = 1

// Orders of Permute (key 0): channels become the last axis, and back.
const (
	orderLast  = 3
	orderFirst = 4
)

// Encode writes g: its layers to param, its weights to bin. The error wraps [ErrUnsupported] where the
// format has no form for g, [graph.ErrGraph] or [graph.ErrShape] where it is not valid, or is one of the
// writers'. Nothing is written before the whole graph has been translated.
func Encode(param, bin io.Writer, g *graph.Graph, o Options) error {
	types, err := g.Types()
	if err != nil {
		return err
	}
	e := &encoder{g: g, options: o, types: types, consumers: g.Consumers(), producers: g.Producers(), done: map[*graph.Node]bool{}, blobs: map[*graph.Value]string{}}
	if err := e.translate(); err != nil {
		return err
	}
	if _, err := io.WriteString(param, e.text()); err != nil {
		return err
	}
	w := bufio.NewWriter(bin)
	for _, b := range e.weights {
		w.Write(b) // the first error is that of Flush
	}
	return w.Flush()
}

// layer is one of the file.
type layer struct {
	kind, name string
	in, out    []string // blobs
	parameters []string
}

type encoder struct {
	g         *graph.Graph
	options   Options
	types     map[*graph.Value]graph.Type
	consumers map[*graph.Value][]*graph.Node
	producers map[*graph.Value]*graph.Node

	layers  []layer
	weights [][]byte
	done    map[*graph.Node]bool // a part of a layer before
	blobs   map[*graph.Value]string
}

func (e *encoder) translate() error {
	if len(e.g.Inputs) != 1 {
		return fmt.Errorf("%w: a network with %d inputs, expected one", ErrUnsupported, len(e.g.Inputs))
	}
	in := e.g.Inputs[0]
	dims, err := e.dims(in)
	if err != nil {
		return err
	}
	p := []string{set(0, dims[0])} // a vector
	if len(dims) == 3 {
		p = []string{set(0, dims[2]), set(1, dims[1]), set(2, dims[0])}
	}
	e.blobs[in] = "in0"
	e.layers = append(e.layers, layer{"Input", "in0", nil, []string{"in0"}, p})
	for i, v := range e.g.Outputs {
		p := e.plain(v)
		if e.blobs[p] != "" {
			return fmt.Errorf("%w: output %q is the input, or another output in a different rounding", ErrUnsupported, v.Name)
		}
		e.blobs[p] = fmt.Sprintf("out%d", i)
	}
	for _, n := range e.g.Nodes {
		if e.done[n] {
			continue
		}
		if err := e.node(n); err != nil {
			return fmt.Errorf("node %q (%s): %w", n.Name(), n.Op.Kind(), err)
		}
	}
	return nil
}

func set(key int, value any) string { return fmt.Sprintf("%d=%v", key, value) }

// number is a parameter that is no whole number: one without a point or an exponent is read as if it were.
func number(key int, value float64) string {
	text := strconv.FormatFloat(value, 'g', -1, 32)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return set(key, text)
}

// dims are the sizes of a value of one image, C×H×W, or C where it is a vector.
func (e *encoder) dims(v *graph.Value) ([]int, error) {
	t := e.types[v]
	dims, ok := t.Shape.Ints()
	switch {
	case !ok:
		return nil, fmt.Errorf("%w: %q has the shape %v, expected sizes that are known", ErrUnsupported, v.Name, t.Shape)
	case len(dims) != 2 && len(dims) != 4 || dims[0] != 1:
		return nil, fmt.Errorf("%w: %q has the shape %v, expected 1×C×H×W or 1×C", ErrUnsupported, v.Name, t.Shape)
	}
	return dims[1:], nil
}

// blob is the name of a value's blob.
func (e *encoder) blob(v *graph.Value) (string, error) {
	v = e.plain(v)
	if v.Const != nil {
		return "", fmt.Errorf("%w: %q is a constant, expected a computed operand", ErrUnsupported, v.Name)
	}
	name, ok := e.blobs[v]
	if !ok {
		name = v.Name
		if name == "" || strings.ContainsAny(name, " \t\r\n\v\f\u0085\u00a0") || len(name) > maxName {
			return "", fmt.Errorf("%w: the name %q, expected one without blanks of at most %d bytes", ErrUnsupported, name, maxName)
		}
	}
	return name, nil
}

// maxName is how long names may be: ncnn reads them into 256 bytes.
const maxName = 200

// plain is the value before it was quantized and dequantized.
func (e *encoder) plain(v *graph.Value) *graph.Value {
	for {
		n := e.producers[v]
		if n == nil {
			return v
		}
		switch n.Op.(type) {
		case graph.QuantizeLinear, graph.DequantizeLinear:
			if n.Inputs[0].Const != nil {
				return v
			}
		case graph.Flatten:
			if e.g.IsOutput(v) {
				return v
			}
		default:
			return v
		}
		v = n.Inputs[0]
	}
}

// vector reports whether a value is a vector in the file: what GlobalAveragePool and what follows it
// gives.
func (e *encoder) vector(v *graph.Value) bool {
	for {
		v = e.plain(v)
		if len(e.types[v].Shape) == 2 {
			return true
		}
		n := e.producers[v]
		if n == nil {
			return false
		}
		switch n.Op.(type) {
		case graph.GlobalAveragePool:
			return true
		case graph.Conv, graph.LayerNorm:
			v = n.Inputs[0]
		case graph.Add, graph.Mul:
			return e.vector(n.Inputs[0]) && e.vector(n.Inputs[1])
		default:
			if !n.Is(graph.Activation) {
				return false
			}
			v = n.Inputs[0]
		}
	}
}

// add adds a layer that gives a value.
func (e *encoder) add(kind string, n *graph.Node, out *graph.Value, operands int, parameters ...string) error {
	l := layer{kind: kind, name: n.Name(), parameters: parameters}
	for _, v := range n.Inputs[:operands] {
		name, err := e.blob(v)
		if err != nil {
			return err
		}
		l.in = append(l.in, name)
	}
	if strings.ContainsAny(l.name, " \t\r\n") || len(l.name) > maxName {
		return fmt.Errorf("%w: the name %q", ErrUnsupported, l.name)
	}
	name, err := e.blob(out)
	l.out = []string{name}
	e.layers = append(e.layers, l)
	return err
}

func (e *encoder) node(n *graph.Node) error {
	switch op := n.Op.(type) {
	case graph.QuantizeLinear, graph.DequantizeLinear:
		return nil // whatever reads the result reads what it was made of
	case graph.Flatten:
		if !e.vector(n.Inputs[0]) {
			return fmt.Errorf("%w: Flatten of %v, expected one pixel", ErrUnsupported, e.types[n.Inputs[0]].Shape)
		}
		if e.g.IsOutput(n.Output) {
			return e.add("Flatten", n, n.Output, 1)
		}
		return nil
	case graph.Conv:
		return e.conv(n, op)
	case graph.Gemm:
		w := e.types[n.Inputs[1]].Shape
		return e.weighted("InnerProduct", n, w[0].Size, nil)
	case graph.Gelu:
		return e.add("GELU", n, n.Output, 1)
	case graph.Relu:
		return e.add("ReLU", n, n.Output, 1)
	case graph.Sigmoid:
		return e.add("Sigmoid", n, n.Output, 1)
	case graph.HardSwish:
		return e.add("HardSwish", n, n.Output, 1, number(0, 1./6), number(1, 0.5))
	case graph.HardSigmoid:
		if !(op.Alpha > 0) {
			return fmt.Errorf("%w: a slope of %v, expected one above 0", ErrUnsupported, op.Alpha)
		}
		return e.add("HardSigmoid", n, n.Output, 1, number(0, op.Alpha), number(1, op.Beta))
	case graph.Add:
		return e.add("BinaryOp", n, n.Output, 2, set(0, 0))
	case graph.Mul:
		return e.add("BinaryOp", n, n.Output, 2, set(0, 2))
	case graph.GlobalAveragePool:
		return e.add("Pooling", n, n.Output, 1, set(0, 1), set(4, 1))
	case graph.MaxPool:
		from, known := e.types[n.Inputs[0]].Shape.Ints()
		to, _ := e.types[n.Output].Shape.Ints()
		if !known || e.vector(n.Inputs[0]) {
			return fmt.Errorf("%w: of a vector, or of sizes that are not known", ErrUnsupported)
		}
		pads, ok := op.Plain(from, to)
		if !ok {
			return fmt.Errorf("%w: dilations %v, expected none", ErrUnsupported, op.Dilation())
		}
		return e.add("Pooling", n, n.Output, 1, set(0, 0), set(1, op.Kernel[1]), set(11, op.Kernel[0]), set(2, op.Strides[1]), set(12, op.Strides[0]),
			set(3, pads[1]), set(13, pads[0]), set(14, pads[3]), set(15, pads[2]), set(5, poolFloor))
	case graph.LayerNorm:
		return e.layerNorm(n, op)
	case graph.ArgMax:
		return fmt.Errorf("%w operator in ncnn, expected the maps that it chooses from (--segment logits)", ErrUnsupported)
	case graph.Resize:
		x, _ := e.types[n.Inputs[0]].Shape.Ints()
		y, _ := e.types[n.Output].Shape.Ints()
		nearest, corners, ok := op.Plain(x, y)
		if !ok || e.vector(n.Inputs[0]) {
			return graph.ErrResize
		}
		p := []string{set(0, interpBilinear), set(3, y[2]), set(4, y[3])}
		if nearest {
			p[0] = set(0, interpNearest)
		} else if corners {
			p = append(p, set(6, 1))
		}
		return e.add("Interp", n, n.Output, 1, p...)
	case graph.Softmax:
		if op.Of(0) != -1 || !e.vector(n.Inputs[0]) {
			return fmt.Errorf("%w: Softmax over another axis than vectors have", ErrUnsupported)
		}
		return e.add("Softmax", n, n.Output, 1, set(0, 0), set(1, 1))
	}
	return fmt.Errorf("%w operator in ncnn", ErrUnsupported)
}

// layerNorm is over the channels, which a layer before makes the last axis and one behind the first again.
func (e *encoder) layerNorm(n *graph.Node, op graph.LayerNorm) error {
	shape := e.types[n.Inputs[0]].Shape
	if vector := len(shape) == 2 && len(op.Axes) == 1; !vector && (!op.Channels() || e.vector(n.Inputs[0])) {
		return fmt.Errorf("%w: over the axes %v of %v, expected the channels of maps, or vectors", ErrUnsupported, op.Axes, shape)
	}
	size := shape[1].Size
	p := []string{set(0, size), number(1, op.Epsilon), set(2, 1)}
	if len(shape) == 2 {
		if err := e.add("LayerNorm", n, n.Output, 1, p...); err != nil {
			return err
		}
	} else {
		if err := e.add("Permute", n, n.Output, 1, set(0, orderLast)); err != nil {
			return err
		}
		first := &e.layers[len(e.layers)-1]
		out, name := first.out[0], first.name
		first.name, first.out = name+"_last", []string{name + "_last"}
		e.layers = append(e.layers, layer{"LayerNorm", name, first.out, []string{name + "_normal"}, p},
			layer{"Permute", name + "_first", []string{name + "_normal"}, []string{out}, []string{set(0, orderFirst)}})
	}
	scale, err := e.numbers(n.Inputs[1])
	if err != nil {
		return err
	}
	e.weights = append(e.weights, scale.Bytes())
	return e.bias(n, size)
}

func (e *encoder) conv(n *graph.Node, op graph.Conv) error {
	w, ok := e.types[n.Inputs[1]].Shape.Ints()
	if !ok {
		return fmt.Errorf("%w: a weight of shape %v", ErrUnsupported, e.types[n.Inputs[1]].Shape)
	}
	if e.vector(n.Inputs[0]) {
		if w[2] != 1 || w[3] != 1 || op.Group != 1 || op.Pads != [4]int{} {
			return fmt.Errorf("%w: a convolution of a vector with a kernel of %d×%d", ErrUnsupported, w[2], w[3])
		}
		return e.weighted("InnerProduct", n, w[0], nil)
	}
	dilation := op.Dilation()
	p := []string{set(1, w[3]), set(11, w[2]), set(2, dilation[1]), set(12, dilation[0]), set(3, op.Strides[1]), set(13, op.Strides[0]),
		set(4, op.Pads[1]), set(14, op.Pads[0]), set(15, op.Pads[3]), set(16, op.Pads[2])}
	kind := "Convolution"
	if op.Group > 1 {
		if w[1] != 1 || w[0] != op.Group {
			return fmt.Errorf("%w: a convolution in %d groups, expected one, or one for each channel", ErrUnsupported, op.Group)
		}
		kind = "ConvolutionDepthWise"
		p = append(p, set(7, op.Group))
	}
	return e.weighted(kind, n, w[0], p)
}

// weighted adds a layer with weights, and with what stands behind it if that is a Relu or a Sigmoid.
func (e *encoder) weighted(kind string, n *graph.Node, outputs int, parameters []string) error {
	count := 1
	dims, _ := e.types[n.Inputs[1]].Shape.Ints()
	for _, d := range dims {
		count *= d
	}
	p := append([]string{set(0, outputs)}, parameters...)
	if kind == "InnerProduct" {
		p = append(p, set(1, 1), set(2, count))
	} else {
		p = append(p, set(5, 1), set(6, count))
	}
	out, activation := n.Output, activationNone
	if next := e.only(n.Output); next != nil {
		switch next.Op.(type) {
		case graph.Relu:
			activation, out = activationRelu, next.Output
			e.done[next] = true
		case graph.Sigmoid:
			activation, out = activationSigmoid, next.Output
			e.done[next] = true
		case graph.QuantizeLinear:
			if z := next.Inputs[2].Const; z != nil && z.Len() == 1 && z.DType == graph.Uint8 && z.Float64s()[0] == 0 {
				activation = activationRelu // left to the quantizer
			}
		}
	}
	scale, err := e.operandScale(n)
	if err != nil {
		return err
	}
	if scale != 0 {
		term := 2
		if kind == "ConvolutionDepthWise" {
			term = 1
		}
		p = append(p, set(8, term))
	}
	if activation != activationNone {
		p = append(p, set(9, activation))
	}
	if err := e.add(kind, n, out, 1, p...); err != nil {
		return err
	}
	return e.data(n, outputs, scale)
}

// only is the one node that reads a value which is no output.
func (e *encoder) only(v *graph.Value) *graph.Node {
	if c := e.consumers[v]; len(c) == 1 && !e.g.IsOutput(v) {
		return c[0]
	}
	return nil
}

// operandScale is by what a layer's operand is multiplied to be int8; 0 where the layer is float32.
func (e *encoder) operandScale(n *graph.Node) (float32, error) {
	x, w := e.producers[n.Inputs[0]], e.producers[n.Inputs[1]]
	if x == nil || w == nil {
		return 0, nil
	}
	_, ofX := x.Op.(graph.DequantizeLinear)
	_, ofW := w.Op.(graph.DequantizeLinear)
	if !ofX || !ofW || w.Inputs[0].Const == nil || w.Inputs[0].Const.DType != graph.Int8 {
		return 0, nil
	}
	s, z := x.Inputs[1].Const, x.Inputs[2].Const
	if s == nil || z == nil || s.Len() != 1 || z.Len() != 1 || z.DType != graph.Uint8 {
		return 0, fmt.Errorf("%w: an operand quantized by something else than one scale and a zero point of uint8", ErrUnsupported)
	}
	zero := z.Float64s()[0]
	return float32(127 / (s.Float64s()[0] * max(zero, 255-zero))), nil
}

// data adds a layer's weight, bias and scales.
func (e *encoder) data(n *graph.Node, outputs int, scale float32) error {
	if scale == 0 {
		w, err := e.numbers(n.Inputs[1])
		if err != nil {
			return err
		}
		if e.options.Half {
			e.tagged(tagFloat16, w.Half().Bytes())
		} else {
			e.tagged(tagFloat32, w.Bytes())
		}
		return e.bias(n, outputs)
	}
	w := e.producers[n.Inputs[1]]
	scales := w.Inputs[1].Const
	if scales == nil || scales.Len() != outputs && scales.Len() != 1 {
		return fmt.Errorf("%w: scales of a weight, expected one for each output", ErrUnsupported)
	}
	e.tagged(tagInt8, w.Inputs[0].Const.Bytes())
	if err := e.bias(n, outputs); err != nil {
		return err
	}
	s := scales.Float64s()
	for i := range outputs {
		e.float(float32(1 / s[min(i, len(s)-1)]))
	}
	e.float(scale)
	return nil
}

func (e *encoder) float(v float32) {
	e.weights = append(e.weights, binary.LittleEndian.AppendUint32(nil, math.Float32bits(v)))
}

// tagged adds a weight's elements behind their tag.
func (e *encoder) tagged(tag uint32, data []byte) {
	e.weights = append(e.weights, binary.LittleEndian.AppendUint32(nil, tag), data, make([]byte, (4-len(data)%4)%4))
}

func (e *encoder) bias(n *graph.Node, outputs int) error {
	if len(n.Inputs) < 3 {
		e.weights = append(e.weights, make([]byte, 4*outputs))
		return nil
	}
	b, err := e.numbers(n.Inputs[2])
	if err == nil {
		e.weights = append(e.weights, b.Bytes())
	}
	return err
}

// numbers returns a constant as float32.
func (e *encoder) numbers(v *graph.Value) (*graph.Tensor, error) {
	if d := e.producers[v]; d != nil {
		if _, ok := d.Op.(graph.DequantizeLinear); ok && d.Inputs[0].Const != nil && d.Inputs[1].Const != nil {
			x, s := d.Inputs[0].Const.Float64s(), d.Inputs[1].Const.Float64s()
			out := make([]float32, len(x))
			for i := range out {
				out[i] = float32(x[i] * s[i/(len(x)/len(s))])
			}
			return graph.Float32Tensor(d.Inputs[0].Const.Shape, out), nil
		}
	}
	if v.Const == nil || v.Const.DType != graph.Float32 {
		return nil, fmt.Errorf("%w: weight %q is not a constant of float32", ErrUnsupported, v.Name)
	}
	return v.Const, nil
}

// text is the file of layers: every further reader of a blob gets one of its own.
func (e *encoder) text() string {
	readers := map[string]int{}
	for _, l := range e.layers {
		for _, b := range l.in {
			readers[b]++
		}
	}
	outputs := map[string]bool{}
	for _, v := range e.g.Outputs {
		outputs[e.blobs[e.plain(v)]] = true
	}
	given := map[string]int{}
	var all []layer
	for _, l := range e.layers {
		for i, b := range l.in {
			if readers[b] > 1 || outputs[b] {
				l.in[i] = fmt.Sprintf("%s_split_%d", b, given[b])
				given[b]++
			}
		}
		var split *layer
		for _, b := range l.out { // one
			k := readers[b]
			if k < 2 && !(outputs[b] && k > 0) {
				continue
			}
			split = &layer{kind: "Split", name: b + "_split", in: []string{b}}
			for i := range k {
				split.out = append(split.out, fmt.Sprintf("%s_split_%d", b, i))
			}
			if outputs[b] {
				split.out = append(split.out, b)
				split.in[0] = b + "_split"
				l.out = []string{split.in[0]}
			}
		}
		all = append(all, l)
		if split != nil {
			all = append(all, *split)
		}
	}
	blobs := 0
	var b strings.Builder
	for _, l := range all {
		blobs += len(l.out)
		fmt.Fprintf(&b, "%-24s %-24s %d %d", l.kind, l.name, len(l.in), len(l.out))
		for _, words := range [][]string{l.in, l.out, l.parameters} {
			for _, w := range words {
				b.WriteString(" " + w)
			}
		}
		b.WriteByte('\n')
	}
	return fmt.Sprintf("%s\n%d %d\n%s", magic, len(all), blobs, b.String())
}
