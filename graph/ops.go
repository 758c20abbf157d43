package graph

import (
	"fmt"
	"slices"
)

// Op is an operator with its attributes. The set is closed: the types of this package
// whose Kind is an ONNX operator's name. Readers switch on the type.
type Op interface {
	// Kind returns the operator's ONNX name, "Conv".
	Kind() string
	// infer derives the output's type; the error wraps ErrShape where no operator of ONNX
	// takes the inputs, and ErrUnsupported where this one does not.
	infer(in []Type) (Type, error)
}

// Conv is a two-dimensional cross-correlation.
//
//	inputs: x N×Cin×H×W, weight Cout×Cin/Group×Kh×Kw, optional bias Cout
//	output: N×Cout×Ho×Wo
type Conv struct {
	Strides [2]int `json:"strides"` // rows, columns
	Pads    [4]int `json:"pads"`    // zeros added: top, left, bottom, right
	Group   int    `json:"group"`
}

// BatchNorm is batch normalisation with its running statistics, over axis 1 of N×C or
// N×C×H×W: (x−mean)/√(variance+Epsilon)·scale + bias.
//
//	inputs: x, scale C, bias C, mean C, variance C
type BatchNorm struct {
	Epsilon float64 `json:"epsilon"`
}

// Gelu is x·Φ(x) = x/2·(1+erf(x/√2)), the exact form (arXiv 1606.08415).
type Gelu struct{}

// Relu is max(x, 0).
type Relu struct{}

// Sigmoid is 1/(1+e⁻ˣ).
type Sigmoid struct{}

// Add is the sum of two values; axes of size 1 are broadcast.
type Add struct{}

// Mul is the product of two values; axes of size 1 are broadcast.
type Mul struct{}

// Mean is the arithmetic mean of one or more values of the same shape.
type Mean struct{}

// GlobalAveragePool averages every channel: N×C×H×W to N×C×1×1.
type GlobalAveragePool struct{}

// Flatten makes N×C×H×W into N×(C·H·W).
type Flatten struct{}

// Gemm is the fully connected layer x·Wᵀ + b.
//
//	inputs: x N×K, weight M×K, optional bias M
//	output: N×M
type Gemm struct{}

// Softmax is eˣ/Σeˣ over the last axis.
type Softmax struct{}

// Cast converts the elements' type.
type Cast struct {
	To DType `json:"to"`
}

// QuantizeLinear is saturate(round(x/scale) + zero point), ties to even, to the zero
// point's type.
//
//	inputs: x, scale (scalar, or one for each index of Axis), zero point like scale
type QuantizeLinear struct {
	Axis int `json:"axis"` // of a scale that is not a scalar
}

// DequantizeLinear is (x − zero point)·scale.
//
//	inputs: x, scale (scalar, or one for each index of Axis), zero point like scale
type DequantizeLinear struct {
	Axis int `json:"axis"` // of a scale that is not a scalar
}

// Transpose permutes the axes: axis i of the output is axis Perm[i] of x.
type Transpose struct {
	Perm []int `json:"perm"`
}

// MatMul is x·W over the last axis of x.
//
//	inputs: x …×K, weight K×M
//	output: …×M
type MatMul struct{}

// Kind returns "Conv".
func (Conv) Kind() string { return "Conv" }

// Kind returns "BatchNormalization".
func (BatchNorm) Kind() string { return "BatchNormalization" }

// Kind returns "Gelu".
func (Gelu) Kind() string { return "Gelu" }

// Kind returns "Relu".
func (Relu) Kind() string { return "Relu" }

// Kind returns "Sigmoid".
func (Sigmoid) Kind() string { return "Sigmoid" }

// Kind returns "Add".
func (Add) Kind() string { return "Add" }

// Kind returns "Mul".
func (Mul) Kind() string { return "Mul" }

// Kind returns "Mean".
func (Mean) Kind() string { return "Mean" }

// Kind returns "GlobalAveragePool".
func (GlobalAveragePool) Kind() string { return "GlobalAveragePool" }

// Kind returns "Flatten".
func (Flatten) Kind() string { return "Flatten" }

// Kind returns "Gemm".
func (Gemm) Kind() string { return "Gemm" }

// Kind returns "Softmax".
func (Softmax) Kind() string { return "Softmax" }

// Kind returns "Cast".
func (Cast) Kind() string { return "Cast" }

// Kind returns "QuantizeLinear".
func (QuantizeLinear) Kind() string { return "QuantizeLinear" }

// Kind returns "DequantizeLinear".
func (DequantizeLinear) Kind() string { return "DequantizeLinear" }

// Kind returns "Transpose".
func (Transpose) Kind() string { return "Transpose" }

// Kind returns "MatMul".
func (MatMul) Kind() string { return "MatMul" }

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

func (o Conv) infer(in []Type) (Type, error) {
	if err := arity(in, 2, 3, 4); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	x, w := in[0].Shape, in[1].Shape
	k, known := w.Ints()
	if !known {
		return Type{}, fmt.Errorf("%w: weight of shape %v, want one that is known", ErrUnsupported, w)
	}
	if len(k) != 4 || k[0] < 1 || k[1] < 1 || k[2] < 1 || k[3] < 1 {
		return Type{}, fmt.Errorf("%w: weight of shape %v, want Cout×Cin/group×Kh×Kw", ErrShape, w)
	}
	if o.Group < 1 || k[0]%o.Group != 0 || k[1] > maxAxis/o.Group {
		return Type{}, fmt.Errorf("%w: %d output channels in %d groups", ErrShape, k[0], o.Group)
	}
	if _, ok := unify(x[1], Fixed(k[1]*o.Group)); !ok {
		return Type{}, fmt.Errorf("%w: input of %v channels, weight %v in %d groups takes %d", ErrShape, x[1], w, o.Group, k[1]*o.Group)
	}
	if len(in) == 3 {
		if err := vector("bias", in[2], Fixed(k[0])); err != nil {
			return Type{}, err
		}
	}
	h, err := o.window(x[2], k[2], 0)
	if err != nil {
		return Type{}, err
	}
	v, err := o.window(x[3], k[3], 1)
	if err != nil {
		return Type{}, err
	}
	return Type{in[0].DType, Shape{x[0], Fixed(k[0]), h, v}}, nil
}

// maxAxis bounds axis arithmetic below the overflow of 32 bits. A value has fewer than 2³¹ elements.
const maxAxis = 1 << 29

// window is the output size along one spatial axis: ⌊(n + pads − kernel)/stride⌋ + 1.
func (o Conv) window(n Dim, kernel, axis int) (Dim, error) {
	stride, before, after := o.Strides[axis], o.Pads[axis], o.Pads[axis+2]
	if stride < 1 || before < 0 || after < 0 || stride > maxAxis || before > maxAxis || after > maxAxis || kernel > maxAxis {
		return Dim{}, fmt.Errorf("%w: stride %d, padding %d and %d", ErrShape, stride, before, after)
	}
	if n.Known() {
		if n.Size > maxAxis || n.Size+before+after < kernel {
			return Dim{}, fmt.Errorf("%w: axis of size %d with padding %d+%d is smaller than the kernel, %d", ErrShape, n.Size, before, after, kernel)
		}
		return Fixed((n.Size+before+after-kernel)/stride + 1), nil
	}
	// ⌊(n − 1)/s⌋ + 1 = ⌈n/s⌉ is the one case that stays a quotient of the symbol.
	if n.Sym != "" && before+after-kernel == -1 && n.Div <= maxAxis/stride {
		return Dim{Sym: n.Sym, Div: n.Div * stride}, nil
	}
	return Dim{Div: 1}, nil
}

func (BatchNorm) infer(in []Type) (Type, error) {
	if err := arity(in, 5, 5, 2, 4); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	for i, what := range []string{"scale", "bias", "mean", "variance"} {
		if err := vector(what, in[i+1], in[0].Shape[1]); err != nil {
			return Type{}, err
		}
	}
	return in[0], nil
}

func unary(in []Type) (Type, error) {
	if err := arity(in, 1, 1); err != nil {
		return Type{}, err
	}
	return in[0], sameFloats(in)
}

func (Gelu) infer(in []Type) (Type, error)    { return unary(in) }
func (Relu) infer(in []Type) (Type, error)    { return unary(in) }
func (Sigmoid) infer(in []Type) (Type, error) { return unary(in) }

func (Softmax) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1, 2); err != nil {
		return Type{}, err
	}
	return unary(in)
}

// broadcast is NumPy's rule, for operands of equal rank.
func broadcast(in []Type) (Type, error) {
	if err := arity(in, 2, 2); err != nil {
		return Type{}, err
	}
	if err := sameDType(in); err != nil {
		return Type{}, err
	}
	a, b := in[0].Shape, in[1].Shape
	if len(a) != len(b) {
		return Type{}, fmt.Errorf("%w: operands of shape %v and %v, want equal ranks", ErrUnsupported, a, b)
	}
	s := make(Shape, len(a))
	for i := range a {
		switch one := Fixed(1); {
		case a[i] == one:
			s[i] = b[i]
		case b[i] == one:
			s[i] = a[i]
		default:
			d, ok := unify(a[i], b[i])
			if !ok {
				return Type{}, fmt.Errorf("%w: operands of shape %v and %v", ErrShape, a, b)
			}
			s[i] = d
		}
	}
	return Type{in[0].DType, s}, nil
}

func (Add) infer(in []Type) (Type, error) { return broadcast(in) }
func (Mul) infer(in []Type) (Type, error) { return broadcast(in) }

func (Mean) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1<<16); err != nil {
		return Type{}, err
	}
	for _, t := range in[1:] {
		if _, err := broadcast([]Type{in[0], t}); err != nil {
			return Type{}, err
		}
		if !slices.Equal(t.Shape, in[0].Shape) {
			return Type{}, fmt.Errorf("%w: operands %v and %v, want equal shapes", ErrUnsupported, in[0], t)
		}
	}
	return in[0], sameFloats(in)
}

func (GlobalAveragePool) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1, 4); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	return Type{in[0].DType, Shape{s[0], s[1], Fixed(1), Fixed(1)}}, sameFloats(in)
}

func (Flatten) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1, 2, 4); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	dims, known := s[1:].Ints()
	d := Dim{Div: 1}
	if known {
		n, err := Numel(dims)
		if err != nil {
			return Type{}, err
		}
		d = Fixed(n)
	}
	return Type{in[0].DType, Shape{s[0], d}}, nil
}

func (Gemm) infer(in []Type) (Type, error) {
	if err := arity(in, 2, 3, 2); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	x, w := in[0].Shape, in[1].Shape
	if len(w) != 2 {
		return Type{}, fmt.Errorf("%w: weight of shape %v, want M×K", ErrShape, w)
	}
	if _, ok := unify(x[1], w[1]); !ok {
		return Type{}, fmt.Errorf("%w: input of %v features, weight %v takes %v", ErrShape, x[1], w, w[1])
	}
	if len(in) == 3 {
		if b := in[2].Shape; len(b) != 1 || b[0] == Fixed(1) && w[0] != b[0] {
			return Type{}, fmt.Errorf("%w: bias of shape %v, want %v elements", ErrUnsupported, b, w[0])
		}
		if err := vector("bias", in[2], w[0]); err != nil {
			return Type{}, err
		}
	}
	return Type{in[0].DType, Shape{x[0], w[0]}}, nil
}

func (o Cast) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1); err != nil {
		return Type{}, err
	}
	if !o.To.Valid() {
		return Type{}, fmt.Errorf("%w: cast to %v", ErrShape, o.To)
	}
	return Type{o.To, in[0].Shape}, nil
}

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

func (o QuantizeLinear) infer(in []Type) (Type, error) {
	if err := quantization(in, o.Axis); err != nil {
		return Type{}, err
	}
	if d := in[2].DType; !in[0].DType.IsFloat() || (d != Int8 && d != Uint8) {
		return Type{}, fmt.Errorf("%w: %v to %v, want a float to int8 or uint8", ErrUnsupported, in[0].DType, d)
	}
	return Type{in[2].DType, in[0].Shape}, nil
}

func (o DequantizeLinear) infer(in []Type) (Type, error) {
	if err := quantization(in, o.Axis); err != nil {
		return Type{}, err
	}
	if d := in[0].DType; d != in[2].DType || (d != Int8 && d != Uint8 && d != Int32) {
		return Type{}, fmt.Errorf("%w: %v with a zero point of %v, want int8, uint8 or int32", ErrShape, d, in[2].DType)
	}
	return Type{in[1].DType, in[0].Shape}, nil
}

func (o Transpose) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1); err != nil {
		return Type{}, err
	}
	if len(in[0].Shape) != len(o.Perm) {
		return Type{}, fmt.Errorf("%w: operand of shape %v, permutation %v", ErrShape, in[0].Shape, o.Perm)
	}
	s := make(Shape, len(o.Perm))
	seen := make([]bool, len(o.Perm))
	for i, p := range o.Perm {
		if p < 0 || p >= len(seen) || seen[p] {
			return Type{}, fmt.Errorf("%w: %v is not a permutation", ErrShape, o.Perm)
		}
		seen[p] = true
		s[i] = in[0].Shape[p]
	}
	return Type{in[0].DType, s}, nil
}

func (MatMul) infer(in []Type) (Type, error) {
	if err := arity(in, 2, 2, 2, 3, 4); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	x, w := in[0].Shape, in[1].Shape
	if len(w) != 2 {
		return Type{}, fmt.Errorf("%w: weight of shape %v, want K×M", ErrUnsupported, w)
	}
	last := len(x) - 1
	if _, ok := unify(x[last], w[0]); !ok {
		return Type{}, fmt.Errorf("%w: input of %v features, weight %v takes %v", ErrShape, x[last], w, w[0])
	}
	s := slices.Clone(x)
	s[last] = w[1]
	return Type{in[0].DType, s}, nil
}
