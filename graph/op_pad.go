package graph

import (
	"fmt"
	"slices"
)

// Pad adds elements at the ends of axes.
type Pad struct {
	// Mode says what they are: "constant" is Value, "edge" the last element on that side, and
	// "reflect" the elements before it, backwards, of which there must be enough.
	Mode string `json:"mode"`
	// Pads are how many, 0 or more: before each axis, then behind each.
	Pads  []int   `json:"pads"`
	Value float64 `json:"value,omitzero"`
}

// Kind implements [Op].
func (Pad) Kind() string { return "Pad" }

// Traits implements [Op].
func (Pad) Traits() Traits { return 0 }

func (o Pad) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 1); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	if err := finite(o.Value); err != nil {
		return Type{}, err
	}
	if modes := []string{"constant", "edge", "reflect"}; !slices.Contains(modes, o.Mode) || o.Mode != "constant" && o.Value != 0 {
		return Type{}, fmt.Errorf("%w: a mode of %q and a value of %v, want one of %q", ErrUnsupported, o.Mode, o.Value, modes)
	}
	s := slices.Clone(in[0].Shape)
	if len(s) == 0 || len(o.Pads) != 2*len(s) {
		return Type{}, fmt.Errorf("%w: padding %v of %v, want two numbers for each axis", ErrShape, o.Pads, s)
	}
	for i, d := range s {
		before, after := o.Pads[i], o.Pads[len(s)+i]
		switch most := MaxElements - d.Size; {
		case before < 0 || after < 0:
			return Type{}, fmt.Errorf("%w: padding %v, want 0 or more", ErrUnsupported, o.Pads)
		case before == 0 && after == 0:
		case !d.Known():
			s[i] = Dim{Div: 1}
		case before > most || after > most-before:
			return Type{}, fmt.Errorf("%w: padding %v of %v", ErrTooLarge, o.Pads, s)
		case o.Mode == "reflect" && max(before, after) >= d.Size:
			return Type{}, fmt.Errorf("%w: padding %v of %v, want less than there is to reflect", ErrShape, o.Pads, in[0].Shape)
		default:
			s[i].Size += before + after
		}
	}
	return Type{in[0].DType, s}, nil
}
