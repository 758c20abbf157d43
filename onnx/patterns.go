package onnx

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// patterns replaces groups of nodes that spell one operator of package graph. The last
// node of a group becomes the operator, the others die.
func (d *decoder) patterns() error {
	for _, n := range d.nodes {
		if !d.erfGelu(n) {
			d.halvedSum(n)
		}
	}
	return nil
}

// private returns the node before root that produces a value which nothing else reads, if
// its operator is op.
func (d *decoder) private(root *node, name, op string) *node {
	p := d.producers[name]
	if p == nil || p.op != op || p.dead || p.at >= root.at || d.uses[name] != 1 || len(p.attributes) != 0 {
		return nil
	}
	return p
}

// scalar reports whether a value is a constant with a single element that is want, rounded
// to the constant's type or a little worse.
func (d *decoder) scalar(name string, want float64) bool {
	t := d.tensors[name]
	if t == nil || t.Len() != 1 || len(t.Shape) > 1 || !t.DType.IsFloat() {
		return false
	}
	tolerance := 1e-6
	if t.DType == graph.Float16 {
		tolerance = 1e-3
	}
	return math.Abs(t.Float64s()[0]-want) <= tolerance*want
}

// factors returns what a Mul node multiplies, with the private products among it divided
// further, and those nodes. It stops at three factors.
func (d *decoder) factors(root *node) (names []string, inner []*node) {
	names = append(names, root.in...)
	for i := 0; i < len(names) && len(names) < 3; {
		if p := d.private(root, names[i], "Mul"); p != nil && len(p.in) == 2 {
			inner = append(inner, p)
			names = append(append(names[:i:i], p.in...), names[i+1:]...)
			continue
		}
		i++
	}
	return names, inner
}

// erfGelu matches x·(erf(x/√2) + 1)·½ with the factors in any order, where x/√2 may also be
// x·√½.
func (d *decoder) erfGelu(root *node) bool {
	if root.op != "Mul" || len(root.in) != 2 || len(root.attributes) != 0 {
		return false
	}
	names, inner := d.factors(root)
	if len(names) != 3 {
		return false
	}
	for i, name := range names {
		add := d.private(root, name, "Add")
		if add == nil || len(add.in) != 2 {
			continue
		}
		others := [2]string{names[(i+1)%3], names[(i+2)%3]}
		for k, half := range others {
			x := others[1-k]
			if !d.scalar(half, 0.5) {
				continue
			}
			if dead := d.erfPlusOne(add, x); dead != nil {
				d.replace(root, "Gelu", []string{x}, append(append(dead, add), inner...))
				return true
			}
		}
	}
	return false
}

// erfPlusOne matches erf(x/√2) + 1 and returns the nodes before the sum.
func (d *decoder) erfPlusOne(add *node, x string) []*node {
	for k, one := range add.in {
		erf := d.private(add, add.in[1-k], "Erf")
		if erf == nil || len(erf.in) != 1 || !d.scalar(one, 1) {
			continue
		}
		if div := d.private(erf, erf.in[0], "Div"); div != nil && len(div.in) == 2 &&
			div.in[0] == x && d.scalar(div.in[1], math.Sqrt2) {
			return []*node{erf, div}
		}
		if mul := d.private(erf, erf.in[0], "Mul"); mul != nil && len(mul.in) == 2 {
			for k := range mul.in {
				if mul.in[k] == x && d.scalar(mul.in[1-k], math.Sqrt(0.5)) {
					return []*node{erf, mul}
				}
			}
		}
	}
	return nil
}

// halvedSum matches (a + b)/2 and (a + b)·½, which is how PyTorch code averages two heads.
func (d *decoder) halvedSum(root *node) {
	if len(root.in) != 2 || len(root.attributes) != 0 {
		return
	}
	sum := ""
	switch a, b := root.in[0], root.in[1]; {
	case root.op == "Div" && d.scalar(b, 2), root.op == "Mul" && d.scalar(b, 0.5):
		sum = a
	case root.op == "Mul" && d.scalar(a, 0.5):
		sum = b
	default:
		return
	}
	add := d.private(root, sum, "Add")
	if add == nil || len(add.in) != 2 || d.tensors[add.in[0]] != nil || d.tensors[add.in[1]] != nil {
		return
	}
	d.replace(root, "Mean", add.in, []*node{add})
}

func (d *decoder) replace(root *node, op string, in []string, dead []*node) {
	root.op, root.in = op, in
	for _, n := range dead {
		n.dead = true
	}
}
