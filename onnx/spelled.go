package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

// spelled are operators of ONNX that become several of the graph's.
var spelled = decoders{"Reciprocal": (*decoder).reciprocal, "Selu": (*decoder).selu, "Split": (*decoder).parts, "Sum": (*decoder).sum}

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

// parts is Split, a Slice for each output.
func (d *decoder) parts(n *node) error {
	a, err := n.integer("axis", 0)
	if err != nil {
		return err
	}
	var lengths []int
	if d.opset < 13 {
		lengths, err = n.list("split")
	} else if len(n.in) == 2 {
		var v []int64
		v, err = d.integers(n.in[1])
		lengths = clamped(v)
		n.in = n.in[:1]
	}
	if err != nil {
		return err
	}
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	t, err := d.typeOf(in[0])
	if err != nil {
		return err
	}
	along, err := axis(a, len(t.Shape))
	if err != nil {
		return err
	}
	outputs := append([]string{n.out}, n.more...)
	n.more = nil
	if err := n.want("num_outputs", int64(len(outputs)), int64(len(outputs))); err != nil {
		return err
	}
	size := t.Shape[along]
	if lengths == nil {
		each := (size.Size + len(outputs) - 1) / len(outputs)
		if !size.Known() || d.opset < 18 && each*len(outputs) != size.Size {
			return fmt.Errorf("%w: found %d parts of an axis of size %v, expected equal ones", ErrUnsupported, len(outputs), size)
		}
		for i := range outputs {
			lengths = append(lengths, min(each, size.Size-i*each))
		}
	}
	if len(lengths) != len(outputs) {
		return fmt.Errorf("%w: found %d lengths and %d outputs", ErrFormat, len(lengths), len(outputs))
	}
	at := 0
	for i, name := range outputs {
		if lengths[i] < 0 || lengths[i] > graph.SliceAll-at {
			return fmt.Errorf("%w: found lengths %v of an axis of size %v", ErrFormat, lengths, size)
		}
		if name != "" {
			d.values[name] = d.g.Add(name, graph.Slice{Axes: []int{along}, Starts: []int{at}, Ends: []int{at + lengths[i]}, Steps: []int{1}}, in[0])
		}
		at += lengths[i]
	}
	if size.Known() && at != size.Size {
		return fmt.Errorf("%w: found lengths %v of an axis of size %v", ErrFormat, lengths, size)
	}
	return nil
}

// number returns a constant for the node, of the type of an operand.
func (d *decoder) number(n *node, like *graph.Value, v float64) (*graph.Value, error) {
	t, err := d.typeOf(like)
	return graph.Weight(unique(d.taken, n.out+".factor"), scalarTensor(t.DType, v)), err
}
