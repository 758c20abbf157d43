package graph

import (
	"fmt"
	"math"
	"slices"
)

// Op is an operator with its attributes. The set is closed: [Ops] lists it, and each stands
// in a file of its name (op_conv.go) here and in the packages that read, write and compute
// it. Attributes are the type's fields, whose JSON is that of the native format.
type Op interface {
	// Kind returns the operator's ONNX name, "Conv".
	Kind() string
	// Traits returns what passes over a graph may ask of the operator.
	Traits() Traits
	// infer derives the output's type; the error wraps ErrShape where no operator of ONNX
	// takes the inputs, and ErrUnsupported where this one does not.
	infer(in []Type) (Type, error)
}

// Ops returns every operator, each with attributes of zero.
func Ops() []Op {
	return []Op{
		Conv{}, ConvTranspose{}, Gemm{}, MatMul{}, BatchNorm{}, LayerNorm{},
		Gelu{}, Relu{}, Sigmoid{}, HardSigmoid{}, HardSwish{}, Clip{},
		Abs{}, Neg{}, Exp{}, Log{}, Sqrt{}, Tanh{}, Erf{}, Elu{}, LeakyRelu{},
		Sin{}, Cos{}, Floor{}, Ceil{}, Round{}, Sign{},
		Add{}, Sub{}, Mul{}, Div{}, Pow{}, Max{}, Min{}, Mean{},
		Equal{}, Greater{}, Less{}, Not{}, And{}, Or{}, Where{},
		ReduceMean{}, ReduceSum{}, ReduceProd{}, ReduceMax{}, ReduceMin{}, ArgMax{},
		GlobalAveragePool{}, AveragePool{}, MaxPool{},
		Softmax{}, TopK{}, GatherND{},
		RoiAlign{}, Proposals{}, Detections{}, PostprocessMasks{},
		Flatten{}, Transpose{}, Cast{},
		Reshape{}, Concat{}, Slice{}, Gather{}, Pad{}, Resize{},
		QuantizeLinear{}, DequantizeLinear{},
	}
}

// Traits is a set of properties.
type Traits uint16

// The properties, in the words of an operator y = f(x, …).
const (
	// Linear: f is linear in x; operand 1 is the weight, and operand 2, if there is one, a
	// bias for each output channel.
	Linear Traits = 1 << iota
	// Activation: a function of one operand, each element by itself.
	Activation
	// Arithmetic: computes a number of two operands' elements, with broadcasting. Integers can
	// overflow.
	Arithmetic
	// Homogeneous: f(s·x) = s·f(x) for every s > 0, channel by channel (axis 1).
	Homogeneous
	// Selects: every element of y is one of x.
	Selects
	// Converts: y stands for the numbers of x in another type.
	Converts
	// Quantizable: an int8 network may hold the operands and the result as integers.
	Quantizable
	// Coordinates: operands or results are places in an image, or decide about them; float16 has
	// too few digits for those.
	Coordinates
	// Decides: the result may jump where an operand hardly changes, as by rounding.
	Decides
)

// Has reports whether all the given properties are there.
func (t Traits) Has(all Traits) bool { return t&all == all }

// Any reports whether one of the given properties is there.
func (t Traits) Any(of Traits) bool { return t&of != 0 }

// Is reports whether the node's operator has all the given properties.
func (n *Node) Is(all Traits) bool { return n.Op.Traits().Has(all) }

// several is an operator with more than one output.
type several interface {
	// further derives the types of the outputs behind the first, for operands that infer
	// has accepted.
	further(in []Type) []Type
}

// multiplier is an operator that multiplies and accumulates.
type multiplier interface {
	// each returns the axes whose product is the multiplications for one output element.
	each(in []Type) Shape
}

// spreader is an operator that multiplies each element of its first operand.
type spreader interface {
	spread(in []Type) Shape // axes whose product is how often
}

// gatherer is an operator that reads several elements for each one of its result, and
// multiplies none.
type gatherer interface {
	reads(in []Type) Shape // axes whose product they are
}

// trained is an operator of which not all constants are trained.
type trained interface {
	trainable() int // operands that are: the first ones
}

// arity checks the number of operands and that the first has one of the ranks wanted.
func arity(in []Type, low, high int, ranks ...int) error {
	if len(in) < low || len(in) > high {
		if low == high {
			return fmt.Errorf("%w: %d operands, want %d", ErrShape, len(in), low)
		}
		return fmt.Errorf("%w: %d operands, want %d to %d", ErrShape, len(in), low, high)
	}
	if len(ranks) != 0 && !slices.Contains(ranks, len(in[0].Shape)) {
		return fmt.Errorf("%w: operand of shape %v, want rank %v", ErrUnsupported, in[0].Shape, ranks)
	}
	return nil
}

// vector checks that a weight holds one element for each of n channels.
func vector(what string, t Type, n Dim) error {
	if len(t.Shape) != 1 {
		return fmt.Errorf("%w: %s of shape %v, want one axis", ErrShape, what, t.Shape)
	}
	if _, ok := unify(t.Shape[0], n); !ok {
		return fmt.Errorf("%w: %s has %v elements, want %v", ErrShape, what, t.Shape[0], n)
	}
	return nil
}

func sameDType(in []Type) error {
	for _, t := range in[1:] {
		if t.DType != in[0].DType {
			return fmt.Errorf("%w: operands of %v and %v", ErrShape, in[0].DType, t.DType)
		}
	}
	return nil
}

// sameFloats checks that all operands are of one type of floats.
func sameFloats(in []Type) error {
	if err := sameDType(in); err != nil {
		return err
	}
	if !in[0].DType.IsFloat() {
		return fmt.Errorf("%w: operand of %v, want a float", ErrUnsupported, in[0].DType)
	}
	return nil
}

// maxAxis bounds axis arithmetic below the overflow of 32 bits. A value has fewer than 2³¹ elements.
const maxAxis = 1 << 29

// unary is the type of an operator whose result is like its operand, floats.
func unary(in []Type) (Type, error) {
	if err := arity(in, 1, 1); err != nil {
		return Type{}, err
	}
	return in[0], sameFloats(in)
}

// finite checks numbers that engines hold as float32.
func finite(attributes ...float64) error {
	for _, v := range attributes {
		if !(math.Abs(v) <= math.MaxFloat32) {
			return fmt.Errorf("%w: an attribute of %v, want a number that float32 holds", ErrUnsupported, v)
		}
	}
	return nil
}

// window is what operators of windows on feature maps have in common: rows, columns.
type window struct {
	kernel, strides, dilations [2]int
	pads                       [4]int // top, left, bottom, right
	ceil                       bool
}

// pool is the type of an operator of windows.
func pool(in []Type, w window) (Type, error) {
	if err := arity(in, 1, 1, 4); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	out := Shape{s[0], s[1], {}, {}}
	for i, k := range w.kernel {
		d := w.dilations[i]
		if k < 1 || d < 1 || d > maxAxis/k {
			return Type{}, fmt.Errorf("%w: a kernel of %v with dilations %v", ErrShape, w.kernel, w.dilations)
		}
		k = (k-1)*d + 1
		if w.pads[i] >= k || w.pads[i+2] >= k {
			return Type{}, fmt.Errorf("%w: padding %v of a kernel of %v, want less than the kernel", ErrUnsupported, w.pads, w.kernel)
		}
		if n := s[i+2]; d > 1 && w.pads[i] > 0 && n.Known() && n.Size < d {
			return Type{}, fmt.Errorf("%w: dilations %v of an axis of size %d, want windows with a pixel inside", ErrUnsupported, w.dilations, n.Size)
		}
		var err error
		if out[i+2], err = slide(s[i+2], k, w.strides[i], w.pads[i], w.pads[i+2], w.ceil); err != nil {
			return Type{}, err
		}
	}
	return Type{in[0].DType, out}, nil
}

// slide is the number of places of a window along an axis: ⌊(n + pads − kernel)/stride⌋ + 1. With
// ceil the quotient is rounded up, as long as the last window begins inside or in the padding
// before.
func slide(n Dim, kernel, stride, before, after int, ceil bool) (Dim, error) {
	if stride < 1 || before < 0 || after < 0 || stride > maxAxis || before > maxAxis || after > maxAxis || kernel > maxAxis {
		return Dim{}, fmt.Errorf("%w: stride %d, padding %d and %d", ErrShape, stride, before, after)
	}
	if n.Known() {
		if n.Size > maxAxis || n.Size+before+after < kernel {
			return Dim{}, fmt.Errorf("%w: axis of size %d with padding %d+%d is smaller than the kernel, %d", ErrShape, n.Size, before, after, kernel)
		}
		rest := n.Size + before + after - kernel
		places := rest/stride + 1
		if ceil && rest%stride != 0 && places*stride < n.Size+before {
			places++
		}
		return Fixed(places), nil
	}
	// ⌊(n − 1)/s⌋ + 1 = ⌈(n − s)/s⌉ + 1 = ⌈n/s⌉ are the cases that stay a quotient of the symbol.
	whole := 1
	if ceil {
		whole = stride
	}
	if n.Sym != "" && n.Mul == 0 && kernel-before-after == whole && n.Div <= maxAxis/stride {
		return Dim{Sym: n.Sym, Div: n.Div * stride}, nil
	}
	return Dim{Div: 1}, nil
}

// broadcast is NumPy's rule: shapes are aligned at their ends, and axes that are missing or of
// size 1 repeat.
func broadcast(in []Type) (Type, error) {
	if err := arity(in, 2, 2); err != nil {
		return Type{}, err
	}
	if err := sameDType(in); err != nil {
		return Type{}, err
	}
	long, short := in[0].Shape, in[1].Shape
	if len(long) < len(short) {
		long, short = short, long
	}
	s := slices.Clone(long)
	for i, b := range short {
		k := len(long) - len(short) + i
		switch one := Fixed(1); {
		case s[k] == one:
			s[k] = b
		case b == one:
		default:
			d, ok := unify(s[k], b)
			if !ok {
				return Type{}, fmt.Errorf("%w: operands of shape %v and %v", ErrShape, in[0].Shape, in[1].Shape)
			}
			s[k] = d
		}
	}
	return Type{in[0].DType, s}, nil
}

// ordered is broadcast for operands that one can be larger than the other of.
func ordered(in []Type) (Type, error) {
	t, err := broadcast(in)
	if err == nil && t.DType == Bool {
		err = fmt.Errorf("%w: operands of bool, want numbers", ErrShape)
	}
	return t, err
}

// logical is broadcast for truth values.
func logical(in []Type) (Type, error) {
	t, err := broadcast(in)
	if err == nil && t.DType != Bool {
		err = fmt.Errorf("%w: operands of %v, want bool", ErrShape, t.DType)
	}
	return t, err
}

// truth makes a type that of truth values.
func truth(t Type, err error) (Type, error) { return Type{Bool, t.Shape}, err }

// quantization checks scale and zero point of a (de)quantized value.
func quantization(in []Type, axis int) error {
	if err := arity(in, 3, 3); err != nil {
		return err
	}
	scale, zero := in[1], in[2]
	if !scale.DType.IsFloat() {
		return fmt.Errorf("%w: scale of %v, want a float", ErrShape, scale.DType)
	}
	if !slices.Equal(scale.Shape, zero.Shape) {
		return fmt.Errorf("%w: scale of shape %v, zero point of %v", ErrShape, scale.Shape, zero.Shape)
	}
	if len(scale.Shape) == 0 {
		return nil
	}
	if axis < 0 || axis >= len(in[0].Shape) {
		return fmt.Errorf("%w: axis %d of %v", ErrShape, axis, in[0].Shape)
	}
	return vector("scale", scale, in[0].Shape[axis])
}
