package graph

import "fmt"

// ConvTranspose is the transpose of a [Conv]: each input pixel adds the kernel, times itself, to
// the output.
//
//	inputs: x N×Cin×H×W, weight Cin×Cout/Group×Kh×Kw, optional bias Cout
//	output: N×Cout×(H−1)·stride+(Kh−1)·dilation+1+padding−pads×…
type ConvTranspose struct {
	Strides [2]int `json:"strides"` // rows, columns
	Pads    [4]int `json:"pads"`    // taken off: top, left, bottom, right
	// OutputPadding is added at the bottom and on the right, less than stride or dilation.
	OutputPadding [2]int `json:"output_padding,omitzero"`
	Group         int    `json:"group"`
	// Dilations are how far apart the kernel's taps are, rows and columns; 0 means 1. See
	// [ConvTranspose.Dilation].
	Dilations [2]int `json:"dilations,omitzero"`
}

// Dilation returns how far apart the kernel's taps are, 1 at least in a valid graph.
func (o ConvTranspose) Dilation() [2]int { return Conv{Dilations: o.Dilations}.Dilation() }

// Kind implements [Op].
func (ConvTranspose) Kind() string { return "ConvTranspose" }

// Traits implements [Op].
func (ConvTranspose) Traits() Traits { return 0 }

func (o ConvTranspose) infer(in []Type) (Type, error) {
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
		return Type{}, fmt.Errorf("%w: weight of shape %v, want Cin×Cout/group×Kh×Kw", ErrShape, w)
	}
	if o.Group < 1 || k[0]%o.Group != 0 || k[1] > maxAxis/o.Group {
		return Type{}, fmt.Errorf("%w: %d input channels in %d groups", ErrShape, k[0], o.Group)
	}
	if _, ok := unify(x[1], w[0]); !ok {
		return Type{}, fmt.Errorf("%w: input of %v channels, weight %v takes %d", ErrShape, x[1], w, k[0])
	}
	out := Shape{x[0], Fixed(k[1] * o.Group), {}, {}}
	if len(in) == 3 {
		if err := vector("bias", in[2], out[1]); err != nil {
			return Type{}, err
		}
	}
	for i, d := range o.Dilation() {
		stride, before, after, added := o.Strides[i], o.Pads[i], o.Pads[i+2], o.OutputPadding[i]
		if stride < 1 || d < 1 || before < 0 || after < 0 || added < 0 || max(stride, d, before, after) > maxAxis/k[i+2] {
			return Type{}, fmt.Errorf("%w: strides %v, dilations %v, padding %v and output padding %v", ErrShape, o.Strides, o.Dilations, o.Pads, o.OutputPadding)
		}
		if added >= max(stride, d) {
			return Type{}, fmt.Errorf("%w: output padding %v, want less than the stride or the dilation", ErrUnsupported, o.OutputPadding)
		}
		more := (k[i+2]-1)*d + 1 + added - before - after - stride // beside stride for each pixel
		switch n := x[i+2]; {
		case !n.Known() && more == 0:
			out[i+2] = scaled(n, float64(stride))
		case !n.Known():
			out[i+2] = Dim{Div: 1}
		case n.Size > maxAxis/stride:
			return Type{}, fmt.Errorf("%w: an axis of size %d with stride %d", ErrTooLarge, n.Size, stride)
		case n.Size*stride+more < 1:
			return Type{}, fmt.Errorf("%w: padding %v leaves nothing of axis %d", ErrShape, o.Pads, i+2)
		default:
			out[i+2] = Fixed(n.Size*stride + more)
		}
	}
	return Type{in[0].DType, out}, nil
}

func (ConvTranspose) spread(in []Type) Shape { return in[1].Shape[1:] }
