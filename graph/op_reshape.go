package graph

import "fmt"

// Reshape gives a value other axes, of as many elements in the same order.
type Reshape struct {
	// Shape has the sizes of the axes. 0 is the operand's size of the same axis, −2 − k that of
	// its axis k, and one −1 whatever is left. No axis of the operand is named twice.
	Shape []int `json:"shape"`
}

// Source returns the operand's axis whose size axis i gets, or a negative number.
func (o Reshape) Source(i int) int {
	if o.Shape[i] == 0 {
		return i
	}
	return -2 - o.Shape[i]
}

// Kind implements [Op].
func (Reshape) Kind() string { return "Reshape" }

// Traits implements [Op].
func (Reshape) Traits() Traits { return Selects }

func (o Reshape) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1); err != nil {
		return Type{}, err
	}
	x := in[0].Shape
	if len(o.Shape) > MaxAxes {
		return Type{}, fmt.Errorf("%w: %d axes, expected at most %d", ErrTooLarge, len(o.Shape), MaxAxes)
	}
	s, free := make(Shape, len(o.Shape)), -1
	kept := make([]bool, len(x)) // the operand's axes that the result has
	var sizes, left []int        // of the other axes of result and operand
	var symbols Shape
	for i, n := range o.Shape {
		switch k := o.Source(i); {
		case n == -1 && free < 0:
			free = i
		case n == -1 || k >= len(x):
			return Type{}, fmt.Errorf("%w: shape %v of an operand %v", ErrShape, o.Shape, x)
		case n > 0:
			s[i] = Fixed(n)
			sizes = append(sizes, n)
		case kept[k]:
			return Type{}, fmt.Errorf("%w: shape %v, want each axis of the operand once", ErrUnsupported, o.Shape)
		default:
			s[i], kept[k] = x[k], true
		}
	}
	for i, d := range x {
		switch {
		case kept[i]:
		case d.Known():
			left = append(left, d.Size)
		default:
			symbols = append(symbols, d)
		}
	}
	n, err := Numel(left)
	if err != nil {
		return Type{}, err
	}
	m, err := Numel(sizes)
	if err != nil {
		return Type{}, err
	}
	switch {
	case len(symbols) == 0 && (n%m != 0 || free < 0 && n != m):
		return Type{}, fmt.Errorf("%w: shape %v of an operand %v, want as many elements", ErrShape, o.Shape, x)
	case free < 0:
	case len(symbols) == 0:
		s[free] = Fixed(n / m)
	case len(symbols) == 1 && n%m == 0:
		s[free] = scaled(symbols[0], float64(n/m))
	default:
		s[free] = Dim{Div: 1}
	}
	return Type{in[0].DType, s}, nil
}
