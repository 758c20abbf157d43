package graph

import (
	"fmt"
	"math"
	"slices"
)

// Resize makes feature maps of another height and width. Output pixel (y, x) is what its place
// in the input interpolates there; pixels outside are those of the border.
//
//	inputs: x N×C×H×W, optional another feature map, whose height and width the output gets
//	output: N×C×Ho×Wo
//
// One of Scales, Sizes and the second operand says how large the output is. A size n becomes
// m = ⌊n·scale⌋, where there is a scale, which else is m/n. The formulas are those of ONNX's
// Resize and PyTorch's interpolate.
type Resize struct {
	// Mode is "nearest", "linear" (bilinear) or "cubic" (bicubic, with a = −0.75).
	Mode string `json:"mode"`
	// Coordinates says where in the input output pixel i is, along each axis:
	//
	//	half_pixel          (i + ½)/scale − ½
	//	pytorch_half_pixel  the same, and 0 where m is 1
	//	align_corners       i·(n − 1)/(m − 1), and 0 where m is 1
	//	asymmetric          i/scale
	Coordinates string `json:"coordinates"`
	// Nearest is how nearest rounds that place, as a float32: "round_prefer_floor" (½ goes
	// down), "round_prefer_ceil", "floor" or "ceil".
	Nearest string     `json:"nearest,omitzero"`
	Scales  [2]float64 `json:"scales,omitzero"` // rows, columns; used as float32
	Sizes   [2]int     `json:"sizes,omitzero"`  // rows, columns
}

// Kind implements [Op].
func (Resize) Kind() string { return "Resize" }

// Traits implements [Op].
func (Resize) Traits() Traits { return Homogeneous }

func (o Resize) infer(in []Type) (Type, error) {
	if err := arity(in, 1, 2, 4); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	for _, a := range []struct {
		name, value string
		known       []string
	}{
		{"mode", o.Mode, []string{"nearest", "linear", "cubic"}},
		{"coordinates", o.Coordinates, []string{"half_pixel", "pytorch_half_pixel", "align_corners", "asymmetric"}},
		{"rounding", o.Nearest, []string{"round_prefer_floor", "round_prefer_ceil", "floor", "ceil"}},
	} {
		if a.name == "rounding" && o.Mode != "nearest" {
			a.known = []string{""}
		}
		if !slices.Contains(a.known, a.value) {
			return Type{}, fmt.Errorf("%w: a %s of %q, want one of %q", ErrUnsupported, a.name, a.value, a.known)
		}
	}
	scales, sizes := o.Scales != [2]float64{}, o.Sizes != [2]int{}
	if len(in) == 2 && (scales || sizes) || len(in) == 1 && scales == sizes {
		return Type{}, fmt.Errorf("%w: scales %v, sizes %v and %d operands, want one that says how large the result is", ErrShape, o.Scales, o.Sizes, len(in))
	}
	s := slices.Clone(in[0].Shape)
	for i := range 2 {
		switch {
		case len(in) == 2:
			if len(in[1].Shape) != 4 {
				return Type{}, fmt.Errorf("%w: resized like an operand of shape %v, want four axes", ErrShape, in[1].Shape)
			}
			s[i+2] = in[1].Shape[i+2]
		case sizes:
			if s[i+2] = Fixed(o.Sizes[i]); o.Sizes[i] < 1 {
				return Type{}, fmt.Errorf("%w: sizes %v", ErrShape, o.Sizes)
			}
		default:
			if !(o.Scales[i] > 0 && o.Scales[i] <= MaxElements) {
				return Type{}, fmt.Errorf("%w: scales %v", ErrShape, o.Scales)
			}
			n := s[i+2]
			s[i+2] = scaled(n, o.Scales[i])
			// m is a whole number in runtimes and in PyTorch, but n·scale in ONNX's own tests.
			if o.Coordinates == "align_corners" && n.Known() && float64(s[i+2].Size) != float64(float32(float64(n.Size)*o.Scales[i])) {
				return Type{}, fmt.Errorf("%w: aligned corners and a scale of %v, which makes no whole size of %d, want sizes", ErrUnsupported, o.Scales[i], n.Size)
			}
		}
	}
	return Type{in[0].DType, s}, nil
}

// scaled is ⌊d·factor⌋, a product of float32.
func scaled(d Dim, factor float64) Dim {
	switch {
	case factor == 1:
		return d
	case d.Known():
		return Fixed(int(min(math.Floor(float64(float32(float64(d.Size)*factor))), MaxElements)))
	case factor == math.Trunc(factor) && factor < maxAxis/float64(max(d.Mul, 1)):
		return d.Times(int(factor))
	}
	return Dim{Div: 1}
}

func (o Resize) reads([]Type) Shape {
	taps := map[string]int{"linear": 2, "cubic": 4}[o.Mode]
	return FixedShape(max(taps, 1), max(taps, 1))
}

// Plain says which of the resizes that all formats know an operator is, for the operand's and the
// result's N×C×H×W: nearest by whole factors, or bilinear between pixels' centres or, with corners, from
// corner to corner. ok is false for others, whose rounding or places differ from format to format.
func (o Resize) Plain(from, to []int) (nearest, corners, ok bool) {
	if len(from) != 4 || len(to) != 4 {
		return false, false, false
	}
	whole, one := true, false
	for i := 2; i < 4; i++ {
		if s := o.Scales[i-2]; s != 0 && float32(s)*float32(from[i]) != float32(to[i]) {
			return false, false, false // other places than the ratio of sizes gives
		}
		whole = whole && to[i]%from[i] == 0
		one = one || to[i] == 1
	}
	switch {
	case o.Mode == "nearest":
		return true, false, whole && o.Coordinates == "asymmetric" && o.Nearest == "floor"
	case o.Mode != "linear" || one && from[2]*from[3] != 1:
		return false, false, false
	}
	return false, o.Coordinates == "align_corners", slices.Contains([]string{"half_pixel", "pytorch_half_pixel", "align_corners"}, o.Coordinates)
}

// ErrResize is of a resize that is not one of [Resize.Plain].
var ErrResize = fmt.Errorf("%w: expected sizes that are known, nearest by whole factors, or bilinear by half_pixel or align_corners", ErrUnsupported)
