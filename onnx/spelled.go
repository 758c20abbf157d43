package onnx

import (
	"fmt"
	"math"

	"github.com/repvit-go/repvit/graph"
)

// spelled are operators of ONNX that become several of the graph's.
var spelled = decoders{
	"CastLike":        (*decoder).castLike,
	"Celu":            (*decoder).celu,
	"ConstantOfShape": (*decoder).constantOfShape,
	"Expand":          (*decoder).expand,
	"GreaterOrEqual":  orEqual(graph.Greater{}),
	"IsInf":           (*decoder).isInf,
	"IsNaN":           (*decoder).isNaN,
	"LessOrEqual":     orEqual(graph.Less{}),
	"LogSoftmax":      (*decoder).logSoftmax,
	"Mish":            (*decoder).mish,
	"PRelu":           (*decoder).prelu,
	"Range":           (*decoder).numberRange,
	"Reciprocal":      (*decoder).reciprocal,
	"ReduceL1":        (*decoder).reduceL1,
	"ReduceL2":        (*decoder).reduceL2,
	"ReduceLogSum":    (*decoder).reduceLogSum,
	"ReduceLogSumExp": (*decoder).reduceLogSumExp,
	"ReduceSumSquare": (*decoder).reduceSumSquare,
	"Selu":            (*decoder).selu,
	"Shrink":          (*decoder).shrink,
	"Softplus":        (*decoder).softplus,
	"Softsign":        (*decoder).softsign,
	"Split":           (*decoder).parts,
	"Sum":             chain(graph.Add{}),
	"Tan":             (*decoder).tan,
	"ThresholdedRelu": (*decoder).thresholdedRelu,
	"Xor":             (*decoder).xor,
}

// castLike converts to the type of another operand.
func (d *decoder) castLike(n *node) error {
	if err := n.want("saturate", 1, 0, 1); err != nil { // of float8
		return err
	}
	if _, err := n.take("round_mode", kindString); err != nil { // of float8 too
		return err
	}
	in, err := d.operands(n, 2, 2)
	if err != nil {
		return err
	}
	t, err := d.typeOf(in[1])
	d.values[n.out] = d.g.Add(n.out, graph.Cast{To: t.DType}, in[0])
	return err
}

// celu is α·ELU(x/α).
func (d *decoder) celu(n *node) error {
	a, err := n.real("alpha", 1)
	if err != nil {
		return err
	}
	x, alpha, err := d.with(n, a)
	if err != nil {
		return err
	}
	elu := d.step(n, ".elu", graph.Elu{Alpha: 1}, d.step(n, ".quotient", graph.Div{}, x, alpha))
	d.values[n.out] = d.g.Add(n.out, graph.Mul{}, elu, alpha)
	return nil
}

// orEqual is an order, or equality: unlike the inverse of the other order it is false for NaN.
func orEqual(op graph.Op) func(*decoder, *node) error {
	return func(d *decoder, n *node) error {
		in, err := d.operands(n, 2, 2)
		if err != nil {
			return err
		}
		d.values[n.out] = d.g.Add(n.out, graph.Or{}, d.step(n, ".order", op, in...), d.step(n, ".equal", graph.Equal{}, in...))
		return nil
	}
}

// isInf is x = ∞ or x = −∞, or one of them.
func (d *decoder) isInf(n *node) error {
	below, err := n.integer("detect_negative", 1)
	if err != nil {
		return err
	}
	above, err := n.integer("detect_positive", 1)
	if err != nil {
		return err
	}
	if below == 0 && above == 0 {
		return fmt.Errorf("%w: found attributes detect_negative = 0 and detect_positive = 0, expected one that is not", ErrUnsupported)
	}
	sign := 1
	if above == 0 {
		sign = -1
	}
	x, infinity, err := d.with(n, math.Inf(sign))
	if err != nil {
		return err
	}
	if below != 0 && above != 0 {
		x = d.step(n, ".abs", graph.Abs{}, x)
	}
	d.values[n.out] = d.g.Add(n.out, graph.Equal{}, x, infinity)
	return nil
}

// isNaN is x ≠ x.
func (d *decoder) isNaN(n *node) error {
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, graph.Not{}, d.step(n, ".equal", graph.Equal{}, in[0], in[0]))
	return nil
}

// logSoftmax is x − log Σeˣ over an axis, with the largest x taken off first, so that eˣ does
// not overflow.
func (d *decoder) logSoftmax(n *node) error {
	x, axis, err := d.softmaxAxis(n)
	if err != nil {
		return err
	}
	over := graph.Reduction{Axes: []int{axis}, KeepDims: true}
	shifted := d.step(n, ".shifted", graph.Sub{}, x, d.step(n, ".top", graph.ReduceMax(over), x))
	sum := d.step(n, ".sum", graph.ReduceSum(over), d.step(n, ".exp", graph.Exp{}, shifted))
	d.values[n.out] = d.g.Add(n.out, graph.Sub{}, shifted, d.step(n, ".log", graph.Log{}, sum))
	return nil
}

// mish is x·tanh(softplus(x)).
func (d *decoder) mish(n *node) error {
	x, one, err := d.with(n, 1)
	if err != nil {
		return err
	}
	soft := d.step(n, ".softplus", graph.Add{}, d.softplusParts(n, x, one)...)
	d.values[n.out] = d.g.Add(n.out, graph.Mul{}, x, d.step(n, ".tanh", graph.Tanh{}, soft))
	return nil
}

// prelu is x, and slope·x where x is negative. Before opset 7 a slope of one axis is one of
// channels.
func (d *decoder) prelu(n *node) error {
	in, err := d.operands(n, 2, 2)
	if err != nil {
		return err
	}
	zero, err := d.number(n, in[0], 0)
	if err != nil {
		return err
	}
	x, slope := in[0], in[1]
	if d.opset < 7 {
		rank, err := d.rank(x)
		if err != nil {
			return err
		}
		switch t := slope.Const; {
		case t == nil:
			return fmt.Errorf("%w: a slope that is computed, in opset %d, expected a constant", ErrUnsupported, d.opset)
		case len(t.Shape) == 1 && t.Len() > 1 && rank > 2:
			slope = d.trailing(slope, rank-2)
		}
	}
	negative := d.step(n, ".negative", graph.Less{}, x, zero)
	d.values[n.out] = d.g.Add(n.out, graph.Where{}, negative, d.step(n, ".scaled", graph.Mul{}, x, slope), x)
	return nil
}

// reduceL1 is Σ|x|.
func (d *decoder) reduceL1(n *node) error {
	x, op, err := d.reduction(n)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, graph.ReduceSum(op), d.step(n, ".abs", graph.Abs{}, x))
	return nil
}

// reduceL2 is √Σx².
func (d *decoder) reduceL2(n *node) error {
	x, op, err := d.reduction(n)
	if err != nil {
		return err
	}
	sum := d.step(n, ".sum", graph.ReduceSum(op), d.step(n, ".square", graph.Mul{}, x, x))
	d.values[n.out] = d.g.Add(n.out, graph.Sqrt{}, sum)
	return nil
}

// reduceLogSum is log Σx.
func (d *decoder) reduceLogSum(n *node) error {
	x, op, err := d.reduction(n)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, graph.Log{}, d.step(n, ".sum", graph.ReduceSum(op), x))
	return nil
}

// reduceLogSumExp is log Σeˣ, with the largest x taken off first and added again, so that eˣ
// does not overflow; what is taken off is finite, ∞ − ∞ being NaN.
func (d *decoder) reduceLogSumExp(n *node) error {
	x, op, err := d.reduction(n)
	if err != nil {
		return err
	}
	finite := graph.Clip{Min: -math.MaxFloat32, Max: math.MaxFloat32}
	kept := graph.Reduction{Axes: op.Axes, KeepDims: true}
	top := d.step(n, ".top", finite, d.step(n, ".max", graph.ReduceMax(kept), x))
	exp := d.step(n, ".exp", graph.Exp{}, d.step(n, ".shifted", graph.Sub{}, x, top))
	if !op.KeepDims {
		top = d.step(n, ".top", graph.ReduceMax(op), top)
	}
	log := d.step(n, ".log", graph.Log{}, d.step(n, ".sum", graph.ReduceSum(op), exp))
	d.values[n.out] = d.g.Add(n.out, graph.Add{}, log, top)
	return nil
}

// reduceSumSquare is Σx².
func (d *decoder) reduceSumSquare(n *node) error {
	x, op, err := d.reduction(n)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, graph.ReduceSum(op), d.step(n, ".square", graph.Mul{}, x, x))
	return nil
}

// shrink is x + bias below −lambd, x − bias above lambd, else 0.
func (d *decoder) shrink(n *node) error {
	l, err := n.real("lambd", 0.5)
	if err != nil {
		return err
	}
	b, err := n.real("bias", 0)
	if err != nil {
		return err
	}
	x, bias, err := d.with(n, b)
	if err != nil {
		return err
	}
	var limits [3]*graph.Value
	for i, v := range []float64{-l, 0, l} {
		if limits[i], err = d.number(n, x, v); err != nil {
			return err
		}
	}
	above := d.step(n, ".above", graph.Where{}, d.step(n, ".positive", graph.Greater{}, x, limits[2]), d.step(n, ".difference", graph.Sub{}, x, bias), limits[1])
	d.values[n.out] = d.g.Add(n.out, graph.Where{}, d.step(n, ".negative", graph.Less{}, x, limits[0]), d.step(n, ".sum", graph.Add{}, x, bias), above)
	return nil
}

// softplus is log(1 + eˣ).
func (d *decoder) softplus(n *node) error {
	x, one, err := d.with(n, 1)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, graph.Add{}, d.softplusParts(n, x, one)...)
	return nil
}

// softplusParts are max(x, 0) and log(1 + e^−|x|), whose sum is log(1 + eˣ) without overflow.
func (d *decoder) softplusParts(n *node, x, one *graph.Value) []*graph.Value {
	small := d.step(n, ".exp", graph.Exp{}, d.step(n, ".negative", graph.Neg{}, d.step(n, ".abs", graph.Abs{}, x)))
	return []*graph.Value{d.step(n, ".relu", graph.Relu{}, x), d.step(n, ".log", graph.Log{}, d.step(n, ".sum", graph.Add{}, one, small))}
}

// softsign is x/(1 + |x|).
func (d *decoder) softsign(n *node) error {
	x, one, err := d.with(n, 1)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, graph.Div{}, x, d.step(n, ".sum", graph.Add{}, one, d.step(n, ".abs", graph.Abs{}, x)))
	return nil
}

// tan is sin(x)/cos(x).
func (d *decoder) tan(n *node) error {
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, graph.Div{}, d.step(n, ".sin", graph.Sin{}, in[0]), d.step(n, ".cos", graph.Cos{}, in[0]))
	return nil
}

// thresholdedRelu is x where x > α, else 0.
func (d *decoder) thresholdedRelu(n *node) error {
	a, err := n.real("alpha", 1)
	if err != nil {
		return err
	}
	x, alpha, err := d.with(n, a)
	if err != nil {
		return err
	}
	zero, err := d.number(n, x, 0)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, graph.Where{}, d.step(n, ".above", graph.Greater{}, x, alpha), x, zero)
	return nil
}

// xor is a ≠ b.
func (d *decoder) xor(n *node) error {
	in, err := d.broadcasting(n)
	if err != nil {
		return err
	}
	for _, v := range in {
		if t, err := d.typeOf(v); err != nil || t.DType != graph.Bool {
			return fmt.Errorf("%w: found operands of %v, expected bool", ErrFormat, t.DType)
		}
	}
	d.values[n.out] = d.g.Add(n.out, graph.Not{}, d.step(n, ".equal", graph.Equal{}, in...))
	return nil
}

// with returns a node's one operand and a number of its type.
func (d *decoder) with(n *node, v float64) (x, number *graph.Value, err error) {
	in, err := d.operands(n, 1, 1)
	if err != nil {
		return nil, nil, err
	}
	number, err = d.number(n, in[0], v)
	return in[0], number, err
}

// reciprocal is 1/x.
func (d *decoder) reciprocal(n *node) error {
	x, one, err := d.with(n, 1)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, graph.Div{}, one, x)
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
	x, factor, err := d.with(n, gamma)
	if err != nil {
		return err
	}
	d.values[n.out] = d.g.Add(n.out, graph.Mul{}, d.step(n, ".elu", graph.Elu{Alpha: alpha}, x), factor)
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
	axes, err := d.axesOf(n)
	if err != nil {
		return err
	}
	along, err := axis(a, len(axes))
	if err != nil {
		return err
	}
	part := func(name string, from, to int) error {
		if s, ok := d.sizes[n.in[0]]; ok && s.isList() {
			d.sizes[name] = list(s.v[from:to])
			return nil
		}
		x, err := d.value(n.in[0])
		if err == nil {
			d.values[name] = d.g.Add(name, graph.Slice{Axes: []int{along}, Starts: []int{from}, Ends: []int{to}, Steps: []int{1}}, x)
		}
		return err
	}
	outputs := append([]string{n.out}, n.more...)
	n.more = nil
	if err := n.want("num_outputs", int64(len(outputs)), int64(len(outputs))); err != nil {
		return err
	}
	size := axes[along].dim
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
	for i := range outputs {
		if lengths[i] < 0 || lengths[i] > graph.SliceAll-at {
			return fmt.Errorf("%w: found lengths %v of an axis of size %v", ErrFormat, lengths, size)
		}
		at += lengths[i]
	}
	if size.Known() && at != size.Size {
		return fmt.Errorf("%w: found lengths %v of an axis of size %v", ErrFormat, lengths, size)
	}
	at = 0
	for i, name := range outputs {
		if name != "" {
			if err := part(name, at, at+lengths[i]); err != nil {
				return err
			}
		}
		at += lengths[i]
	}
	return nil
}

// number returns a constant for the node, of the type of an operand.
func (d *decoder) number(n *node, like *graph.Value, v float64) (*graph.Value, error) {
	t, err := d.typeOf(like)
	if err == nil && !t.DType.IsFloat() {
		err = fmt.Errorf("%w: found operands of %v, expected a float", ErrUnsupported, t.DType)
	}
	return graph.Weight(unique(d.taken, n.out+".factor"), scalarTensor(t.DType, v)), err
}
