package onnx

import (
	"errors"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// patterns replaces groups of nodes that spell one operator of package graph. The last
// node of a group becomes the operator, the others die.
func (d *decoder) patterns() error {
	for _, n := range d.nodes {
		if n.spells != nil {
			continue
		}
		for _, o := range operators {
			if o.pattern != nil && o.pattern(d, n) {
				break
			}
		}
	}
	return nil
}

// private returns the node before root that produces a value which nothing else reads, if
// its operator is op, without attributes.
func (d *decoder) private(root *node, name, op string) *node {
	if p := d.only(root, name, op); p != nil && len(p.attributes) == 0 {
		return p
	}
	return nil
}

// only is private for a node that may have attributes.
func (d *decoder) only(root *node, name, op string) *node {
	return d.read(root, name, op, 1)
}

// read is only for a value that several operands read.
func (d *decoder) read(root *node, name, op string, times int) *node {
	p := d.producers[name]
	if p == nil || p.op != op || p.dead || p.at >= root.at || d.uses[name] != times {
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

// errNotTaken is a pattern whose operator does not take the operands: the nodes are translated
// one by one.
var errNotTaken = errors.New("not taken")

// was is what a node was before a pattern made it another operator.
type was struct {
	op    string
	in    []string
	parts []*node // the others of the pattern, in order
}

// found is replace for a pattern of which only the operands' types say whether the operator
// takes them.
func (d *decoder) found(root *node, op string, in []string, parts []*node) {
	root.was = &was{root.op, root.in, parts}
	d.replace(root, op, in, parts)
}

// leave takes a node's operands away from it. Nodes that nothing reads any more die.
func (d *decoder) leave(n *node) {
	for left := n.in; len(left) > 0; {
		name := left[0]
		left = left[1:]
		d.uses[name]--
		p := d.producers[name]
		if p == nil {
			p = d.further[name]
		}
		read := func(name string) bool { return name != "" && d.uses[name] > 0 }
		if p == nil || p.dead || p.spells != nil || read(p.out) || slices.ContainsFunc(p.more, read) {
			continue
		}
		p.dead = true
		left = append(left, p.in...)
	}
	n.in = nil
}

func (d *decoder) replace(root *node, op string, in []string, dead []*node) {
	root.op, root.in = op, in
	for _, n := range dead {
		n.dead = true
	}
}
