package graph

// Flatten makes N×C×H×W into N×(C·H·W).
type Flatten struct{}

// Kind implements [Op].
func (Flatten) Kind() string { return "Flatten" }

// Traits implements [Op].
func (Flatten) Traits() Traits { return Selects | Quantizable }

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
