package graph

import "fmt"

// Conv is a two-dimensional cross-correlation.
//
//	inputs: x N×Cin×H×W, weight Cout×Cin/Group×Kh×Kw, optional bias Cout
//	output: N×Cout×Ho×Wo
type Conv struct {
	Strides [2]int `json:"strides"` // rows, columns
	Pads    [4]int `json:"pads"`    // zeros added: top, left, bottom, right
	Group   int    `json:"group"`
}

// Kind implements [Op].
func (Conv) Kind() string { return "Conv" }

// Traits implements [Op].
func (Conv) Traits() Traits { return Linear | Quantizable }

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

func (Conv) each(in []Type) Shape { return in[1].Shape[1:] }
