package onnx

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var geluOperator = operator{
	encode:  encodes((*encoder).gelu),
	decode:  decoders{"Gelu": (*decoder).gelu},
	pattern: (*decoder).erfGelu,
}

// geluOpset is the first opset that has the Gelu operator.
const geluOpset = 20

func (e *encoder) gelu(n *graph.Node, _ graph.Gelu) error {
	if e.opset < geluOpset {
		e.erfGelu(n)
		return nil
	}
	e.write(n)
	return nil
}

func (d *decoder) gelu(n *node) error {
	// Also what the erf pattern was replaced with, which has no attributes.
	if err := n.wantText("approximate", "none"); err != nil {
		return err
	}
	return d.add(n, graph.Gelu{}, 1, 1)
}

// erfGelu writes GELU as x·(erf(x/√2) + 1)·½, in the operators and the order in which
// runtimes look for it. The last node keeps the graph's name.
func (e *encoder) erfGelu(n *graph.Node) {
	t := e.types[n.Output].DType
	x := e.operands(n)[0]
	y := e.step(n, "Div", ".div", []string{x, e.scalar("gelu.sqrt2", t, math.Sqrt2)})
	y = e.step(n, "Erf", ".erf", []string{y})
	y = e.step(n, "Add", ".add", []string{y, e.scalar("gelu.one", t, 1)})
	y = e.step(n, "Mul", ".mul", []string{x, y})
	e.emit("Mul", n.Name(), []string{y, e.scalar("gelu.half", t, 0.5)})
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
