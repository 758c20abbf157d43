package tflite

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// spelling is how an operator is written that TensorFlow Lite has none for: as several, in this order, with
// nothing between them. They are of integers where every step has a scale, and the result is quantized with that of the last: rounding
// between them then is the same as behind them. It is read again where the same operators stand, and nothing else reads what is between them.
type spelling struct {
	steps []step
	// constants are those that the steps read, of a node with an operand of so many channels; nil where the
	// operator is spelled in another way.
	constants func(e *encoder, n *graph.Node, channels int) ([]*graph.Tensor, error)
	// node is the operator that steps with these constants are, and what it reads beside its operand.
	node func(result tensor, constants []*graph.Tensor) (graph.Op, []*graph.Value)
}

// step is an operator that spells a part of another.
type step struct {
	op *operator
	in []int // 0 is the operand, i > 0 what step i gave, −i constant i
	// option is the one that is not its default: the activation function of sums, and whether means keep axes.
	option uint8
	// scale is that of the result in integers, from −128 as 0 on; 0 where there are no integers for it.
	scale float32
}

// lastAxis stands for the axes of a mean over the last axis.
const lastAxis = math.MinInt

// spellings by the operator's name; the first whose constants there are is written.
var spellings = map[string][]spelling{
	graph.HardSigmoid{}.Kind(): {
		// As Keras has it: min(max(x + 3, 0), 6)·1/6, in general min(max(6·alpha·x + 6·beta, 0), 6)·1/6.
		{[]step{{opAdd, []int{0, -1}, activationRelu6, 6. / 255}, {opMul, []int{1, -2}, 0, 1. / 255}}, (*encoder).hardSigmoid, hardSigmoid},
		{[]step{{opMul, []int{0, -3}, 0, 0}, {opAdd, []int{1, -1}, activationRelu6, 0}, {opMul, []int{2, -2}, 0, 0}}, (*encoder).scaledSigmoid, hardSigmoid},
	},
	// (x − mean)·1/√(mean of (x − mean)² + epsilon)·scale + bias
	graph.LayerNorm{}.Kind(): {{[]step{
		{opMean, []int{0, lastAxis}, 1, 0}, {opSquared, []int{0, 1}, 0, 0}, {opMean, []int{2, lastAxis}, 1, 0}, {opAdd, []int{3, -1}, 0, 0}, {opRsqrt, []int{4}, 0, 0},
		{opSub, []int{0, 1}, 0, 0}, {opMul, []int{6, 5}, 0, 0}, {opMul, []int{7, -2}, 0, 0}, {opAdd, []int{8, -3}, 0, 0},
	}, (*encoder).layerNorm, layerNorm}},
}

func scalar(v float64) *graph.Tensor { return graph.Float32Tensor([]int{}, []float32{float32(v)}) }

func (e *encoder) hardSigmoid(n *graph.Node, channels int) ([]*graph.Tensor, error) {
	op := n.Op.(graph.HardSigmoid)
	if float32(6*op.Alpha) != 1 {
		return nil, nil
	}
	return []*graph.Tensor{scalar(6 * op.Beta), scalar(1. / 6)}, nil
}

func (e *encoder) scaledSigmoid(n *graph.Node, channels int) ([]*graph.Tensor, error) {
	op := n.Op.(graph.HardSigmoid)
	return []*graph.Tensor{scalar(6 * op.Beta), scalar(1. / 6), scalar(6 * op.Alpha)}, nil
}

func hardSigmoid(_ tensor, c []*graph.Tensor) (graph.Op, []*graph.Value) {
	op := graph.HardSigmoid{Alpha: 1. / 6}
	if len(c) > 2 {
		op.Alpha = c[2].Float64s()[0] / 6
	}
	if op.Beta = c[0].Float64s()[0] / 6; c[1].Float32s()[0] != float32(1)/6 {
		return nil, nil
	}
	return op, nil
}

// layerNorm is over the channels, which are the last axis in the file.
func (e *encoder) layerNorm(n *graph.Node, channels int) ([]*graph.Tensor, error) {
	op := n.Op.(graph.LayerNorm)
	if rank := len(e.types[n.Output].Shape); !op.Channels() && (rank != 2 || len(op.Axes) != 1) {
		return nil, fmt.Errorf("%w: over the axes %v of %d, expected the channels", ErrUnsupported, op.Axes, rank)
	}
	c := []*graph.Tensor{scalar(op.Epsilon), nil, graph.Float32Tensor([]int{channels}, make([]float32, channels))}
	for i, v := range n.Inputs[1:] {
		t, err := e.numbers(v)
		if err != nil {
			return nil, err
		}
		c[1+i] = t.Reshape(channels)
	}
	return c, nil
}

func layerNorm(y tensor, c []*graph.Tensor) (graph.Op, []*graph.Value) {
	op, shape := graph.LayerNorm{Axes: []int{-1}, Epsilon: c[0].Float64s()[0]}, []int{c[1].Len()}
	if len(y.shape) == 4 {
		op.Axes, shape = []int{-3}, append(shape, 1, 1)
	}
	if c[2].Len() != shape[0] {
		return nil, nil
	}
	return op, []*graph.Value{graph.Weight(y.name+".weight", c[1].Reshape(shape...)), graph.Weight(y.name+".bias", c[2].Reshape(shape...))}
}

// spell writes an operator as others.
func (e *encoder) spell(n *graph.Node) error {
	o, err := e.operands(n, 1, e.integers(n))
	if err != nil {
		return err
	}
	shape := e.list[o.in[0]][tensorShape].([]int32)
	last := len(shape) - 1
	for _, s := range spellings[n.Op.Kind()] {
		constants, err := s.constants(e, n, int(shape[last]))
		if err != nil {
			return err
		}
		if constants == nil {
			continue
		}
		results := []int32{o.in[0]}
		for i, st := range s.steps {
			var in []int32
			to := []int32{}
			for _, k := range st.in {
				switch {
				case k == lastAxis:
					in = append(in, e.ints(fmt.Sprintf("mean.axis.%d", last), int32(last)))
				case k < 0:
					in = append(in, e.number(n.Name(), -k, constants[-k-1], o.integer))
				default:
					in = append(in, results[k])
					if from := e.list[results[k]][tensorShape].([]int32); len(to) == 0 || from[last] > to[last] {
						to = slices.Clone(from)
					}
				}
			}
			options := table{}
			if st.op == opMean {
				to[last], options[keepDims] = 1, true
			} else if st.option != 0 {
				options[activation] = int8(st.option)
			}
			out := o.out
			if i < len(s.steps)-1 {
				name, kind, q := fmt.Sprintf("%s/%d", n.Name(), i), int8(typeFloat32), table(nil)
				if o.integer {
					kind, q = typeInt8, quantization(st.scale, -128)
				}
				out = e.add(name, to, kind, 0, q)
			}
			e.emit(st.op, o.integer, in, out, options)
			results = append(results, out)
		}
		break
	}
	return nil
}

// integers reports whether an operator that is spelled is of integers.
func (e *encoder) integers(n *graph.Node) bool {
	q, s := e.quantizes(n.Output), spellings[n.Op.Kind()][0]
	if q == nil || s.steps[0].scale == 0 {
		return false
	}
	c, err := s.constants(e, n, 0)
	if err != nil || c == nil || slices.ContainsFunc(c, func(t *graph.Tensor) bool { return !(t.Float32s()[0] > 0) }) {
		return false
	}
	scale, zero, err := parameters(q)
	return err == nil && scale == s.steps[len(s.steps)-1].scale && zero == -128
}

// number adds constant i of a spelled node, a scalar once for all.
func (e *encoder) number(name string, i int, t *graph.Tensor, integer bool) int32 {
	name = fmt.Sprintf("%s.constant.%d", name, i)
	if len(t.Shape) == 0 {
		name = fmt.Sprintf("number.%v", t.Float32s()[0])
	}
	if integer {
		name += ".int8"
	}
	if i, ok := e.tensors[name]; ok {
		return i
	}
	shape := []int32{}
	for _, d := range t.Shape {
		shape = append(shape, int32(d))
	}
	if integer { // a scalar above 0: 64 of its part, which is exact
		return e.constant(name, shape, typeInt8, quantization(t.Float32s()[0]/64, 0), []byte{64})
	}
	return e.constant(name, shape, typeFloat32, nil, t.Bytes())
}

// spelled reads an operator that the first operations spell, and returns how many they are; 0 for none.
func (d *decoder) spelled(ops []operation) (int, error) {
	for _, list := range spellings {
		for _, s := range list {
			constants, ok := d.match(s.steps, ops)
			if !ok {
				continue
			}
			last := ops[len(s.steps)-1]
			x, err := d.float(ops[0].in[0])
			if err != nil {
				return 0, err
			}
			op, more := s.node(d.tensors[last.out], constants)
			if op == nil {
				continue
			}
			return len(s.steps), d.result(last, op, append([]*graph.Value{x}, more...)...)
		}
	}
	return 0, nil
}

// match holds operations against steps, and returns the constants that they read.
func (d *decoder) match(steps []step, ops []operation) (constants []*graph.Tensor, ok bool) {
	if len(ops) < len(steps) {
		return nil, false
	}
	integer := d.tensors[ops[0].out].kind == typeInt8
	for i, st := range steps {
		o := ops[i]
		y := d.tensors[o.out]
		if (y.kind == typeInt8) != integer || integer && (st.scale == 0 || !slices.Equal(y.scales, []float32{st.scale}) || !slices.Equal(y.zeros, []int64{-128})) {
			return nil, false
		}
		if o.op != st.op || len(o.in) != len(st.in) || o.options.byte(0) != int(st.option) || d.values[o.out] != nil || d.bytes[o.out] != nil || y.data != nil {
			return nil, false
		}
		for j, k := range st.in {
			t := d.tensors[o.in[j]]
			switch {
			case k == lastAxis:
				if axes := d.constants(o.in[j]); len(axes) != 1 || axes[0] != len(y.shape)-1 {
					return nil, false
				}
			case k < 0:
				c := t.floats()
				if c == nil || (t.kind == typeInt8) != integer {
					return nil, false
				}
				for len(constants) < -k {
					constants = append(constants, nil)
				}
				constants[-k-1] = c
			case k == 0 && o.in[j] != ops[0].in[0], k > 0 && o.in[j] != ops[k-1].out:
				return nil, false
			}
		}
	}
	return constants, true
}

// floats is a constant of spelled operators: floats, or an integer with its scale; nil of others.
func (t tensor) floats() *graph.Tensor {
	switch {
	case t.data == nil || len(t.shape) > 1:
	case t.kind == typeFloat32:
		v := make([]float32, len(t.data)/4)
		for i := range v {
			v[i] = math.Float32frombits(binary.LittleEndian.Uint32(t.data[4*i:]))
		}
		return graph.Float32Tensor(slices.Clone(t.shape), v)
	case t.kind == typeInt8 && len(t.shape) == 0 && len(t.scales) == 1 && t.zeros[0] == 0:
		return graph.Float32Tensor([]int{}, []float32{float32(int8(t.data[0])) * t.scales[0]})
	}
	return nil
}
