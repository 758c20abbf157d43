package onnx

import "github.com/repvit-go/repvit/graph"

// spelled are operators of ONNX that become several of the graph's.
var spelled = decoders{"Reciprocal": (*decoder).reciprocal, "Selu": (*decoder).selu, "Sum": (*decoder).sum}

// reciprocal is 1/x.
func (d *decoder) reciprocal(n *node) error {
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	one, err := d.number(n, in[0], 1)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, graph.Div{}, one, in[0])
	return nil
}

// selu is γ·ELU(x).
func (d *decoder) selu(n *node) error {
	alpha, err := n.real("alpha", 1.67326319217681884765625)
	if err != nil {
		return err
	}
	gamma, err := n.real("gamma", 1.05070102214813232421875)
	if err != nil {
		return err
	}
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	factor, err := d.number(n, in[0], gamma)
	if err != nil {
		return err
	}
	elu := d.g.Add(unique(d.taken, n.out+".elu"), graph.Elu{Alpha: alpha}, in[0])
	d.values[n.out] = d.g.Add(n.out, graph.Mul{}, elu, factor)
	return nil
}

// sum adds all operands, one after the other.
func (d *decoder) sum(n *node) error {
	in, err := d.operands(n, 1, maxOperands)
	if err != nil {
		return err
	}
	total := in[0]
	for i, v := range in[1:] {
		name := n.out
		if i < len(in)-2 {
			name = unique(d.taken, n.out+".sum")
		}
		total = d.g.Add(name, graph.Add{}, total, v)
	}
	d.values[n.out] = total
	return nil
}

// number returns a constant for the node, of the type of an operand.
func (d *decoder) number(n *node, like *graph.Value, v float64) (*graph.Value, error) {
	t, err := d.typeOf(like)
	return graph.Weight(unique(d.taken, n.out+".factor"), scalarTensor(t.DType, v)), err
}
