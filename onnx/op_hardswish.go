package onnx

import "github.com/repvit-go/repvit/graph"

var hardSwishOperator = operator{
	encode:  encodes((*encoder).hardSwish),
	decode:  decoders{"HardSwish": simple(graph.HardSwish{}, 1)},
	pattern: (*decoder).gatedHardSwish,
}

// hardSwishOpset is the first opset that has the HardSwish operator.
const hardSwishOpset = 14

// hardSwish writes x·HardSigmoid(x) where there is no operator.
func (e *encoder) hardSwish(n *graph.Node, _ graph.HardSwish) error {
	if err := e.floats(n); err != nil {
		return err
	}
	if e.opset >= hardSwishOpset {
		e.write(n)
		return nil
	}
	x := e.operands(n)
	gate := e.step(n, "HardSigmoid", ".gate", x, float("alpha", 1./6), float("beta", 0.5))
	e.emit("Mul", n.Name(), append(x, gate))
	return nil
}

// gatedHardSwish matches x·HardSigmoid(x) with 1/6 and 1/2, the factors in any order.
func (d *decoder) gatedHardSwish(root *node) bool {
	if root.op != "Mul" || len(root.in) != 2 || len(root.attributes) != 0 {
		return false
	}
	for i, name := range root.in {
		x := root.in[1-i]
		gate := d.only(root, name, "HardSigmoid")
		if gate == nil || len(gate.in) != 1 || gate.in[0] != x {
			continue
		}
		copied := *gate // taking attributes removes them
		copied.attributes = append([]attribute(nil), gate.attributes...)
		if op, err := copied.hardSigmoid(); err == nil && op == (graph.HardSigmoid{Alpha: 1. / 6, Beta: 0.5}) && len(copied.attributes) == 0 {
			d.replace(root, "HardSwish", []string{x}, []*node{gate})
			return true
		}
	}
	return false
}
