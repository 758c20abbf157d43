package graph

// GlobalAveragePool averages every channel: N×C×H×W to N×C×1×1.
type GlobalAveragePool struct{}

// Kind implements [Op].
func (GlobalAveragePool) Kind() string { return "GlobalAveragePool" }

// Traits implements [Op].
func (GlobalAveragePool) Traits() Traits { return Homogeneous | Quantizable }

func (GlobalAveragePool) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1, 4); err != nil {
		return Type{}, err
	}
	s := in[0].Shape
	return Type{in[0].DType, Shape{s[0], s[1], Fixed(1), Fixed(1)}}, sameFloats(in)
}
