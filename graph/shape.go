package graph

import (
	"fmt"
	"strconv"
	"strings"
)

// Dim is the size of one axis: a number, or Mul·ceil(Sym/Div) of a size that is known only
// when the network runs. A symbolic Dim with an empty Sym is a size of which nothing is
// known. Strided convolutions of a symbolic axis give its ceil-quotients: with kernel 3,
// stride 2 and padding 1, ⌊(n−1)/2⌋+1 = ⌈n/2⌉, and ⌈⌈n/2⌉/2⌉ = ⌈n/4⌉. Upsampling gives products.
type Dim struct {
	Size int    // the size; meaningful where Known
	Sym  string // name of the symbolic size, "batch"
	Div  int    // divisor; zero marks a known size
	Mul  int    // factor of a symbolic size, zero where there is none
}

// Fixed returns a known size.
func Fixed(n int) Dim { return Dim{Size: n} }

// Symbol returns a size with a name.
func Symbol(name string) Dim { return Dim{Sym: name, Div: 1} }

// Known reports whether the size is a number.
func (d Dim) Known() bool { return d.Div == 0 }

// String returns "7", "batch", "ceil(height/4)" or "?".
func (d Dim) String() string {
	switch {
	case d.Known():
		return strconv.Itoa(d.Size)
	case d.Sym == "":
		return "?"
	case d.Mul != 0:
		return fmt.Sprintf("%d*%s", d.Mul, Dim{Sym: d.Sym, Div: d.Div})
	case d.Div == 1:
		return d.Sym
	}
	return fmt.Sprintf("ceil(%s/%d)", d.Sym, d.Div)
}

// Times returns n times the size, for n from 1. Of a symbolic size n·⌈s/d⌉ it takes s to be a
// multiple of d, as it must be where such a size meets one from before the division: 2·⌈s/16⌉ is
// ⌈s/8⌉. Where the network runs on another size, types are derived from that and do not fit.
func (d Dim) Times(n int) Dim {
	switch {
	case d.Known():
		return Fixed(d.Size * n)
	case d.Sym == "":
		return d
	}
	n *= max(d.Mul, 1)
	common := n
	for rest := d.Div; rest != 0; {
		common, rest = rest, common%rest
	}
	d.Div, d.Mul = d.Div/common, n/common
	if d.Mul == 1 {
		d.Mul = 0
	}
	return d
}

// Shape is the shape of a value, outermost axis first: N×C×H×W for images and feature
// maps, N×C for vectors.
type Shape []Dim

// FixedShape returns a shape of known sizes.
func FixedShape(dims ...int) Shape {
	s := make(Shape, len(dims))
	for i, d := range dims {
		s[i] = Fixed(d)
	}
	return s
}

// Ints returns the sizes, and whether all are known.
func (s Shape) Ints() ([]int, bool) {
	r := make([]int, len(s))
	for i, d := range s {
		if !d.Known() {
			return nil, false
		}
		r[i] = d.Size
	}
	return r, true
}

// String returns "batch×3×224×224".
func (s Shape) String() string {
	t := make([]string, len(s))
	for i, d := range s {
		t[i] = d.String()
	}
	return strings.Join(t, "×")
}

// Type is what is known of a value before the network runs.
type Type struct {
	DType DType
	Shape Shape
}

// String returns "float32 batch×3×224×224".
func (t Type) String() string { return t.DType.String() + " " + t.Shape.String() }

// Infer derives the type of every value from the types that the inputs declare, or from
// the shapes given instead, one for each input. No value is empty or has more axes or
// elements than the package's limits. The error names the node and wraps [ErrShape],
// [ErrUnsupported] or [ErrTooLarge].
func (g *Graph) Infer(inputs ...Shape) (map[*Value]Type, error) {
	if len(inputs) != 0 && len(inputs) != len(g.Inputs) {
		return nil, fmt.Errorf("%w: %d shapes for %d inputs", ErrShape, len(inputs), len(g.Inputs))
	}
	types := make(map[*Value]Type, g.values())
	for i, v := range g.Inputs {
		t := *v.Type
		if len(inputs) != 0 {
			if err := accepts(t.Shape, inputs[i]); err != nil {
				return nil, fmt.Errorf("input %q: %w", v.Name, err)
			}
			t.Shape = inputs[i]
		}
		if err := t.checkSizes(); err != nil {
			return nil, fmt.Errorf("input %q: %w", v.Name, err)
		}
		types[v] = t
	}
	for _, n := range g.Nodes {
		if err := n.Infer(types); err != nil {
			return nil, err
		}
	}
	return types, nil
}

// Infer derives the types of the node's outputs from those of its operands. It adds them and
// those of constants to types. The error is as for [Graph.Infer].
func (n *Node) Infer(types map[*Value]Type) error {
	in := make([]Type, 0, len(n.Inputs))
	for _, v := range n.Inputs {
		t, ok := types[v]
		if !ok {
			if v.Const == nil {
				return fmt.Errorf("%w: %s reads %q, which nothing before it produces", ErrGraph, n.Name(), v.Name)
			}
			t = Type{v.Const.DType, FixedShape(v.Const.Shape...)}
			if err := t.checkSizes(); err != nil {
				return fmt.Errorf("weight %q: %w", v.Name, err)
			}
			types[v] = t
		}
		in = append(in, t)
	}
	first, err := n.Op.infer(in)
	if err != nil {
		return fmt.Errorf("%s (%s): %w", n.Name(), n.Op.Kind(), err)
	}
	out := []Type{first}
	if op, ok := n.Op.(several); ok {
		out = append(out, op.further(in)...)
	}
	if len(out) != 1+len(n.Further) {
		return fmt.Errorf("%w: %s (%s) has %d outputs, want %d", ErrGraph, n.Name(), n.Op.Kind(), 1+len(n.Further), len(out))
	}
	for i, v := range n.Outputs() {
		if err := out[i].checkSizes(); err != nil {
			return fmt.Errorf("%s (%s): %w", v.Name, n.Op.Kind(), err)
		}
		types[v] = out[i]
	}
	return nil
}

// accepts checks a shape that a caller gives against the one an input declares: symbolic
// axes take any positive size.
func accepts(declared, given Shape) error {
	ok := len(declared) == len(given)
	for i := 0; ok && i < len(given); i++ {
		d, s := declared[i], given[i]
		ok = (!d.Known() && (!s.Known() || s.Size > 0)) || d == s
	}
	if !ok {
		return fmt.Errorf("%w: it takes %v, found %v", ErrShape, declared, given)
	}
	return nil
}

// unify merges two sizes that must be equal when the network runs.
func unify(a, b Dim) (Dim, bool) {
	switch {
	case a == b:
		return a, true
	case a.Known() && b.Known():
		return a, false
	case a.Known():
		return a, true
	case b.Known():
		return b, true
	}
	return Dim{Div: 1}, true
}
