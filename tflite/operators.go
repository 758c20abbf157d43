package tflite

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// translations are how operators are written, by the name of the operator.
var translations map[string]func(*encoder, *graph.Node) error

func init() {
	translations = map[string]func(*encoder, *graph.Node) error{
		graph.Conv{}.Kind():              (*encoder).conv,
		graph.Gemm{}.Kind():              (*encoder).gemm,
		graph.Gelu{}.Kind():              (*encoder).gelu,
		graph.Relu{}.Kind():              unary(opRelu),
		graph.HardSwish{}.Kind():         unary(opHardSwish),
		graph.Sigmoid{}.Kind():           (*encoder).sigmoid,
		graph.Add{}.Kind():               (*encoder).sum,
		graph.Mul{}.Kind():               (*encoder).product,
		graph.GlobalAveragePool{}.Kind(): (*encoder).mean,
		graph.Flatten{}.Kind():           (*encoder).flatten,
		graph.Softmax{}.Kind():           (*encoder).softmax,
		graph.Resize{}.Kind():            (*encoder).resize,
		graph.HardSigmoid{}.Kind():       (*encoder).spell,
		graph.LayerNorm{}.Kind():         (*encoder).spell,
		graph.MaxPool{}.Kind():           (*encoder).maxPool,
		graph.ArgMax{}.Kind():            (*encoder).argMax,
		graph.Cast{}.Kind():              (*encoder).cast,
	}
}

// unary writes a function of one operand without options.
func unary(op *operator) func(*encoder, *graph.Node) error {
	return func(e *encoder, n *graph.Node) error {
		o, err := e.operands(n, 1, op.int8 > 1 || e.options.Integers)
		if err == nil {
			e.emit(op, o.integer, o.in, o.out, nil)
		}
		return err
	}
}

func (e *encoder) gelu(n *graph.Node) error {
	o, err := e.operands(n, 1, true)
	if err == nil {
		e.emit(opGelu, o.integer, o.in, o.out, table{approximate: false})
	}
	return err
}

// sigmoid is of integers where they are 1/256 apart from 0 on: the runtime has no others.
func (e *encoder) sigmoid(n *graph.Node) error {
	integers := false
	if q := e.quantizes(n.Output); q != nil {
		scale, zero, err := parameters(q)
		if err != nil {
			return err
		}
		integers = scale == 1./256 && zero == -128
	}
	o, err := e.operands(n, 1, integers)
	if err == nil {
		e.emit(opLogistic, o.integer, o.in, o.out, nil)
	}
	return err
}

func (e *encoder) sum(n *graph.Node) error {
	o, err := e.operands(n, 2, true)
	if err == nil {
		e.emit(opAdd, o.integer, o.in, o.out, table{})
	}
	return err
}

func (e *encoder) product(n *graph.Node) error {
	o, err := e.operands(n, 2, true)
	if err != nil {
		return err
	}
	v := opMul.float
	if o.integer {
		if v = opMul.int8; float64(o.scales[0])*float64(o.scales[1])/float64(o.scales[2]) >= 1 {
			v = 3
		}
	}
	e.emitVersion(opMul, v, o.in, o.out, table{})
	return nil
}

// mean is over rows and columns.
func (e *encoder) mean(n *graph.Node) error {
	o, err := e.operands(n, 1, true)
	if err == nil {
		e.emit(opMean, o.integer, append(o.in, e.ints("mean.axes", 1, 2)), o.out, table{keepDims: true})
	}
	return err
}

// ints returns a constant of integers, one for each name.
func (e *encoder) ints(name string, v ...int32) int32 {
	if i, ok := e.tensors[name]; ok {
		return i
	}
	var b []byte
	for _, x := range v {
		b = binary.LittleEndian.AppendUint32(b, uint32(x))
	}
	return e.constant(name, []int32{int32(len(v))}, typeInt32, nil, b)
}

// flatten is a RESHAPE of one pixel, whose channels are in the same order.
func (e *encoder) flatten(n *graph.Node) error {
	s, err := e.shape(n.Inputs[0])
	if err != nil {
		return err
	}
	if len(s) == 4 && s[1]*s[2] != 1 {
		return fmt.Errorf("%w: Flatten of %v, expected one pixel", ErrUnsupported, e.types[n.Inputs[0]].Shape)
	}
	o, err := e.operands(n, 1, e.keeps(n))
	if err != nil {
		return err
	}
	to, err := e.shape(n.Output)
	if err != nil {
		return err
	}
	e.emit(opReshape, o.integer, append(o.in, e.ints(fmt.Sprintf("reshape.%d", to[1]), to...)), o.out, table{reshapeShape: to})
	return nil
}

func (e *encoder) resize(n *graph.Node) error {
	x, _ := e.types[n.Inputs[0]].Shape.Ints()
	y, _ := e.types[n.Output].Shape.Ints()
	nearest, corners, ok := n.Op.(graph.Resize).Plain(x, y)
	if !ok {
		return graph.ErrResize
	}
	in, err := e.float(n.Inputs[0])
	if err != nil {
		return err
	}
	out, err := e.value(n.Output, n.Name())
	if err != nil {
		return err
	}
	operands := []int32{in, e.ints(fmt.Sprintf("resize.%dx%d", y[2], y[3]), int32(y[2]), int32(y[3]))}
	switch {
	case nearest:
		e.emit(opNearest, false, operands, out, table{})
	case corners:
		e.emit(opBilinear, false, operands, out, table{bilinearCorners: true})
	default:
		e.emitVersion(opBilinear, centresVersion, operands, out, table{bilinearCentres: true})
	}
	return nil
}

func (e *encoder) maxPool(n *graph.Node) error {
	op := n.Op.(graph.MaxPool)
	from, known := e.types[n.Inputs[0]].Shape.Ints()
	to, _ := e.types[n.Output].Shape.Ints()
	if !known {
		return fmt.Errorf("%w: the shape %v, expected sizes that are known", ErrUnsupported, e.types[n.Inputs[0]].Shape)
	}
	pads, ok := op.Plain(from, to)
	padding, same := paddingOf([]int32{1, int32(from[2]), int32(from[3]), int32(from[1])}, pads, op.Kernel, op.Strides, [2]int{1, 1})
	if !ok || !same {
		return fmt.Errorf("%w: padding %v with dilations %v, expected none or that of SAME", ErrUnsupported, op.Pads, op.Dilation())
	}
	o, err := e.operands(n, 1, e.keeps(n))
	if err == nil {
		e.emit(opMaxPool, o.integer, o.in, o.out, table{poolPadding: padding, poolStrideW: int32(op.Strides[1]), poolStrideH: int32(op.Strides[0]), poolW: int32(op.Kernel[1]), poolH: int32(op.Kernel[0])})
	}
	return err
}

// keeps reports whether the result of a node is quantized as its operand is.
func (e *encoder) keeps(n *graph.Node) bool {
	x, y := e.quantized[n.Inputs[0]], e.quantizes(n.Output)
	if x == nil || x.tensor < 0 || y == nil {
		return false
	}
	scale, zero, err := parameters(y)
	q := e.list[x.tensor][tensorQuantization].(table)
	return err == nil && q[quantScale].([]float32)[0] == scale && q[quantZero].([]int64)[0] == zero
}

// argMax is over the channels; the axis is not there in the file, and indices are int32.
func (e *encoder) argMax(n *graph.Node) error {
	op, x := n.Op.(graph.ArgMax), n.Inputs[0]
	if len(e.types[x].Shape) != 4 || op.Axis != -3 || !op.KeepDims || op.SelectLastIndex {
		return fmt.Errorf("%w: over axis %d, expected the first of N×C×H×W's channels, of which one is left", ErrUnsupported, op.Axis)
	}
	s, err := e.shape(x)
	if err != nil {
		return err
	}
	in, q := int32(0), e.quantized[x]
	if q != nil {
		in = q.tensor
	} else if in, err = e.float(x); err != nil {
		return err
	}
	e.emit(opArgMax, q != nil, []int32{in, e.ints("argmax.axis", 3)}, e.add(n.Name(), s[:3], typeInt32, 0, nil), table{argMaxType: int8(typeInt32)})
	return nil
}

// cast makes indices float32.
func (e *encoder) cast(n *graph.Node) error {
	in, ok := e.tensors[n.Inputs[0].Name]
	if to := n.Op.(graph.Cast).To; to != graph.Float32 || !ok || e.list[in][tensorType] != int8(typeInt32) {
		return fmt.Errorf("%w: from %v to %v, expected indices to float32", ErrUnsupported, e.types[n.Inputs[0]].DType, to)
	}
	e.emit(opCast, false, []int32{in}, e.add(n.Name(), e.list[in][tensorShape].([]int32), typeFloat32, 0, nil), table{castFrom: int8(typeInt32)})
	return nil
}

func (e *encoder) softmax(n *graph.Node) error {
	if op := n.Op.(graph.Softmax); op.Of(0) != -1 || len(e.types[n.Output].Shape) != 2 {
		return fmt.Errorf("%w: Softmax over another axis than vectors have", ErrUnsupported)
	}
	o, err := e.operands(n, 1, false)
	if err == nil {
		e.emit(opSoftmax, false, o.in, o.out, table{softmaxBeta: math.Float32bits(1)})
	}
	return err
}

func (e *encoder) gemm(n *graph.Node) error {
	o, err := e.operands(n, 1, true)
	if err != nil {
		return err
	}
	w := e.types[n.Inputs[1]].Shape
	weight, bias, err := e.weights(n, o, []int32{int32(w[0].Size), int32(w[1].Size)}, nil, 0)
	if err != nil {
		return err
	}
	e.emit(opConnected, o.integer, append(o.in, weight, bias), o.out, table{})
	return nil
}

// conv writes a convolution, behind a PAD where its padding is none of those that TFLite computes.
func (e *encoder) conv(n *graph.Node) error {
	op := n.Op.(graph.Conv)
	x, err := e.shape(n.Inputs[0])
	if err != nil {
		return err
	}
	dims, known := e.types[n.Inputs[1]].Shape.Ints()
	if !known {
		return fmt.Errorf("%w: a weight of shape %v", ErrUnsupported, e.types[n.Inputs[1]].Shape)
	}
	m, kh, kw := int32(dims[0]), int32(dims[2]), int32(dims[3])
	depthwise := op.Group > 1 && dims[1] == 1 && dims[0] == op.Group
	if op.Group > 1 && !depthwise {
		return fmt.Errorf("%w: a convolution in %d groups, expected one, or one for each channel", ErrUnsupported, op.Group)
	}
	o, err := e.operands(n, 1, true)
	if err != nil {
		return err
	}
	dilation := op.Dilation()
	padding, ok := paddingOf(x, op.Pads, [2]int{int(kh), int(kw)}, op.Strides, dilation)
	if !ok {
		o.in[0] = e.padded(n.Name(), o, x, op.Pads)
	}
	var options table
	code := opConv
	shape, perm := []int32{m, kh, kw, int32(dims[1])}, []int{0, 2, 3, 1}
	axis := 0
	if depthwise {
		code = opDepthwise
		shape, perm, axis = []int32{1, kh, kw, m}, []int{1, 2, 3, 0}, 3
		options = table{depthwisePadding: padding, depthwiseStrideW: int32(op.Strides[1]), depthwiseStrideH: int32(op.Strides[0]), depthwiseMultiplier: int32(1),
			depthwiseDilationW: int32(dilation[1]), depthwiseDilationH: int32(dilation[0])}
	} else {
		options = table{convPadding: padding, convStrideW: int32(op.Strides[1]), convStrideH: int32(op.Strides[0]), convDilationW: int32(dilation[1]), convDilationH: int32(dilation[0])}
	}
	weight, bias, err := e.weights(n, o, shape, perm, axis)
	if err != nil {
		return err
	}
	e.emit(code, o.integer, append(o.in, weight, bias), o.out, options)
	return nil
}

// paddingOf is the padding that TFLite computes itself; others need a PAD, and ok is false.
func paddingOf(x []int32, pads [4]int, kernel, strides, dilation [2]int) (kind int8, ok bool) {
	if pads == [4]int{} {
		return paddingValid, true
	}
	rows, columns := same(int(x[1]), kernel[0], strides[0], dilation[0]), same(int(x[2]), kernel[1], strides[1], dilation[1])
	if pads == [4]int{rows[0], columns[0], rows[1], columns[1]} {
		return paddingSame, true
	}
	return paddingValid, false
}

// same is the padding before and behind that TFLite's SAME computes.
func same(n, kernel, stride, dilation int) [2]int {
	out := (n + stride - 1) / stride
	total := max((out-1)*stride+(kernel-1)*dilation+1-n, 0)
	return [2]int{total / 2, total - total/2}
}

// padded adds a PAD of rows and columns.
func (e *encoder) padded(name string, o operands, x []int32, pads [4]int) int32 {
	p := make([]int32, 4)
	for i, v := range pads {
		p[i] = int32(v)
	}
	shape := []int32{1, x[1] + p[0] + p[2], x[2] + p[1] + p[3], x[3]}
	var q table
	kind := int8(typeFloat32)
	if o.integer {
		q, kind = e.list[o.in[0]][tensorQuantization].(table), typeInt8
	}
	to := e.add(name+".padded", shape, kind, 0, q)
	amounts := fmt.Sprintf("pad.%d.%d.%d.%d", p[0], p[1], p[2], p[3])
	i, ok := e.tensors[amounts]
	if !ok {
		var b []byte
		for _, v := range []int32{0, 0, p[0], p[2], p[1], p[3], 0, 0} {
			b = binary.LittleEndian.AppendUint32(b, uint32(v))
		}
		i = e.constant(amounts, []int32{4, 2}, typeInt32, nil, b)
	}
	e.emit(opPad, o.integer, []int32{o.in[0], i}, to, table{})
	return to
}

// weights adds the weight and the bias of a layer; a bias that is not there is zeros. Perm gives the
// weight's axes in the file, nil for the same, and axis the one of output channels.
func (e *encoder) weights(n *graph.Node, o operands, shape []int32, perm []int, axis int) (weight, bias int32, err error) {
	channels := shape[axis]
	if o.integer {
		w := e.quantized[n.Inputs[1]]
		if w.integers.DType != graph.Int8 {
			return 0, 0, fmt.Errorf("%w: a weight of %v, expected int8", ErrUnsupported, w.integers.DType)
		}
		scales := w.scales
		q := table{quantScale: scales, quantZero: make([]int64, len(scales))}
		if axis != 0 && len(scales) > 1 {
			q[quantAxis] = int32(axis)
		}
		weight = e.constant(n.Inputs[1].Name, shape, typeInt8, q, permuted(w.integers, perm))
		product := make([]float32, len(scales))
		for i, s := range scales {
			product[i] = float32(float64(o.scales[0]) * float64(s))
		}
		bytes, name := make([]byte, 4*channels), n.Name()+".bias"
		near := func(a, b float32) bool { return math.Abs(float64(a)-float64(b)) <= 1e-5*math.Abs(float64(b)) }
		if len(n.Inputs) > 2 {
			b := e.quantized[n.Inputs[2]]
			if b.integers.DType != graph.Int32 {
				return 0, 0, fmt.Errorf("%w: a bias of %v, expected int32", ErrUnsupported, b.integers.DType)
			}
			if !slices.EqualFunc(b.scales, product, near) {
				return 0, 0, fmt.Errorf("%w: bias %q has other scales than operand and weight make", ErrUnsupported, n.Inputs[2].Name)
			}
			bytes, name = b.integers.Bytes(), n.Inputs[2].Name
		}
		return weight, e.constant(name, []int32{channels}, typeInt32, table{quantScale: product, quantZero: make([]int64, len(product))}, bytes), nil
	}
	w, err := e.numbers(n.Inputs[1])
	if err != nil {
		return 0, 0, err
	}
	b, name := graph.Float32Tensor([]int{int(channels)}, make([]float32, channels)), n.Name()+".bias"
	if len(n.Inputs) > 2 {
		if b, err = e.numbers(n.Inputs[2]); err != nil {
			return 0, 0, err
		}
		name = n.Inputs[2].Name
	}
	return e.store(n.Inputs[1].Name, shape, w, perm), e.store(name, []int32{channels}, b, nil), nil
}

// numbers returns a constant as float32.
func (e *encoder) numbers(v *graph.Value) (*graph.Tensor, error) {
	q := e.quantized[v]
	switch {
	case q != nil && q.tensor < 0:
		x := q.integers.Float64s()
		each := len(x) / len(q.scales)
		out := make([]float32, len(x))
		for i := range out {
			out[i] = float32(x[i] * float64(q.scales[i/each]))
		}
		return graph.Float32Tensor(slices.Clone(q.integers.Shape), out), nil
	case v.Const == nil:
		return nil, fmt.Errorf("%w: weight %q is computed", ErrUnsupported, v.Name)
	case v.Const.DType != graph.Float32:
		return nil, fmt.Errorf("%w: weight %q is of %v, expected float32", ErrUnsupported, v.Name, v.Const.DType)
	}
	return v.Const, nil
}

// store adds a constant of float32, or as float16 with what makes it float32 again.
func (e *encoder) store(name string, shape []int32, t *graph.Tensor, perm []int) int32 {
	if i, ok := e.tensors[name]; ok {
		return i
	}
	if !e.options.Half {
		return e.constant(name, shape, typeFloat32, nil, permuted(t, perm))
	}
	h := e.constant(name+".half", shape, typeFloat16, nil, permuted(t.Half(), perm))
	i := e.add(name, shape, typeFloat32, 0, nil)
	e.emit(opDequantize, false, []int32{h}, i, table{})
	return i
}

// permuted returns a tensor's bytes with its axes in another order: axis perm[i] of the tensor
// becomes axis i.
func permuted(t *graph.Tensor, perm []int) []byte {
	from := t.Bytes()
	last := -1
	inOrder := true // but for axes of one element
	for _, p := range perm {
		if t.Shape[p] != 1 {
			inOrder, last = inOrder && p > last, p
		}
	}
	if inOrder {
		return from
	}
	size := t.DType.Size()
	strides := make([]int, len(perm))
	n := size
	steps := make([]int, len(perm)) // of the tensor
	for i := len(perm) - 1; i >= 0; i-- {
		steps[i] = n
		n *= t.Shape[i]
	}
	dims := make([]int, len(perm))
	for i, p := range perm {
		strides[i], dims[i] = steps[p], t.Shape[p]
	}
	out := make([]byte, 0, len(from))
	var walk func(axis, at int)
	walk = func(axis, at int) {
		for range dims[axis] {
			if axis == len(dims)-1 {
				out = append(out, from[at:at+size]...)
			} else {
				walk(axis+1, at)
			}
			at += strides[axis]
		}
	}
	walk(0, 0)
	return out
}
