package graph

import "fmt"

// Reshape gives a value other axes, of as many elements in the same order.
type Reshape struct {
	// Shape has the sizes of the axes. 0 is the operand's size of the same axis, and one −1
	// whatever is left.
	Shape []int `json:"shape"`
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
	var sizes, left []int // of the result and of the operand, where one is not the other's
	var symbols Shape     // the operand's likewise
	for i, n := range o.Shape {
		switch {
		case n == -1 && free < 0:
			free = i
		case n < 0 || n == 0 && i >= len(x):
			return Type{}, fmt.Errorf("%w: shape %v of an operand %v", ErrShape, o.Shape, x)
		case n == 0:
			s[i] = x[i]
		default:
			s[i] = Fixed(n)
			sizes = append(sizes, n)
		}
	}
	for i, d := range x {
		switch {
		case i < len(o.Shape) && o.Shape[i] == 0:
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
