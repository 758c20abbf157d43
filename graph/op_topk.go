package graph

import "fmt"

// TopK finds the K largest elements along an axis, or the smallest. Its outputs are their values in
// falling order, or rising order of the smallest, and their indices, int64. Of equal elements the
// one with the lower index comes first.
type TopK struct {
	K        int  `json:"k"`
	Axis     int  `json:"axis"` // counted from the end: −1 is the last one
	Smallest bool `json:"smallest,omitzero"`
}

// Kind implements [Op].
func (TopK) Kind() string { return "TopK" }

// Traits implements [Op].
func (TopK) Traits() Traits { return Decides }

func (o TopK) infer(in []Type) (Type, error) {
	t, err := unary(in)
	if err != nil {
		return Type{}, err
	}
	s := append(Shape{}, t.Shape...)
	axis := len(s) + o.Axis
	if o.Axis > -1 || axis < 0 {
		return Type{}, fmt.Errorf("%w: axis %d of %v, want one counted from the end", ErrShape, o.Axis, s)
	}
	if o.K < 1 || s[axis].Known() && o.K > s[axis].Size {
		return Type{}, fmt.Errorf("%w: the first %d along axis %d of %v", ErrShape, o.K, o.Axis, s)
	}
	s[axis] = Fixed(o.K)
	return Type{t.DType, s}, nil
}

func (o TopK) further(in []Type) []Type {
	t, _ := o.infer(in)
	return []Type{{Int64, t.Shape}}
}

func (o TopK) reads(in []Type) Shape { return Shape{in[0].Shape[len(in[0].Shape)+o.Axis]} }
