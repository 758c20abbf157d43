package infer

import (
	"github.com/repvit-go/repvit/graph"
)

var dequantizeLinearLowering = opLowering{
	lower: lowers(func(l *lowering, b opBase, op graph.DequantizeLinear) (operator, error) {
		return l.quantization(b, op.Axis, false)
	}),
	integer:  (*lowering).integerDequantize,
	evaluate: evaluates(evaluateDequantize),
}

func (l *lowering) integerDequantize(b opBase) operator {
	if _, q, ok := l.dequantized(b.out); ok {
		return &dequantize8Op{opBase: b, q: q}
	}
	return nil
}

func evaluateDequantize(n *graph.Node, op graph.DequantizeLinear, out graph.Type) *graph.Tensor {
	x := n.Inputs[0].Const
	s := newScales(op.Axis, n.Inputs[1].Const.Float64s(), n.Inputs[2].Const.Float64s(), x.Shape)
	v := make([]float32, x.Len())
	for i, q := range x.Float64s() {
		k := s.at(i)
		v[i] = float32((q - s.zero[k]) * s.scale[k])
	}
	return convert(graph.Float32Tensor(x.Shape, v), out.DType)
}

// dequantize8Op is DequantizeLinear of uint8.
type dequantize8Op struct {
	opBase
	q quantization
}

func (o *dequantize8Op) plan(p *planner) error {
	x := p.values[o.in[0]]
	if x == nil || !x.bytes {
		x = p.integers(o.in[0], natural(len(p.dims(o.in[0]))))
	}
	p.dequantize(p.result(x.layout), x, o.q)
	return nil
}
