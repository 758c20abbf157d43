package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var quantizeLinearLowering = opLowering{
	lower: lowers(func(l *lowering, b opBase, op graph.QuantizeLinear) (operator, error) {
		return l.quantization(b, op.Axis, true)
	}),
	integer:  (*lowering).integerQuantize,
	evaluate: evaluates(evaluateQuantize),
}

func (l *lowering) integerQuantize(b opBase) operator {
	if q, ok := quantizationOf(b.node); ok && l.quantized(b.out) {
		return &quantize8Op{opBase: b, q: q}
	}
	return nil
}

func evaluateQuantize(n *graph.Node, op graph.QuantizeLinear, out graph.Type) *graph.Tensor {
	x := n.Inputs[0].Const
	s := newScales(op.Axis, n.Inputs[1].Const.Float64s(), n.Inputs[2].Const.Float64s(), x.Shape)
	v := make([]float32, x.Len())
	low, high := limits(out.DType)
	for i, f := range x.Float64s() {
		k := s.at(i)
		v[i] = float32(quantize(f, s.scale[k], s.zero[k], low, high))
	}
	return convert(graph.Float32Tensor(x.Shape, v), out.DType)
}

// quantization lowers QuantizeLinear and DequantizeLinear on activations to arithmetic on
// float32, which holds integers up to 2²⁴ exactly.
func (l *lowering) quantization(b opBase, axis int, quantize bool) (operator, error) {
	scale, zero, err := l.parameters(b.node)
	if err != nil {
		return nil, err
	}
	return &quantOp{opBase: b, quantize: quantize, axis: axis, scale: scale.Float64s(), zero: zero.Float64s(), dtype: zero.DType}, nil
}

// quantOp is QuantizeLinear or DequantizeLinear in float32 arithmetic.
type quantOp struct {
	opBase
	quantize    bool
	axis        int
	scale, zero []float64
	dtype       graph.DType // quantized type
}

func (o *quantOp) plan(p *planner) error {
	x := p.natural(o.in[0])
	low, high := limits(o.dtype)
	one := func(v float32, k int) float32 {
		if o.quantize {
			return float32(quantize(float64(v), o.scale[k], o.zero[k], low, high))
		}
		return float32((float64(v) - o.zero[k]) * o.scale[k])
	}
	if len(o.scale) == 1 {
		p.elementwise(x, 16, func(dst, src []float32, _ int) {
			for i, v := range src {
				dst[i] = one(v, 0)
			}
		})
		return nil
	}
	axis := o.axis
	if x.layout == chansLayout && axis == 1 || x.layout == rowsLayout && axis == len(x.shape)-1 {
		p.elementwise(x, 16, func(dst, src []float32, _ int) {
			for i, v := range src {
				dst[i] = one(v, i)
			}
		})
		return nil
	}
	// The scale belongs to an axis that is constant along a row.
	inner := 1
	after := false
	for _, a := range x.axes()[:len(x.shape)-1] {
		if after {
			inner *= x.shape[a]
		}
		after = after || a == axis
	}
	p.elementwise(x, 16, func(dst, src []float32, row int) {
		k := row / inner % len(o.scale)
		for i, v := range src {
			dst[i] = one(v, k)
		}
	})
	return nil
}

// scales are the scale and zero point of each element of a tensor.
type scales struct {
	scale, zero   []float64
	inner, length int
}

func newScales(axis int, scale, zero []float64, shape []int) scales {
	s := scales{scale: scale, zero: zero, inner: 1, length: 1}
	if len(scale) > 1 {
		s.inner, s.length = elements(shape[axis+1:]), shape[axis]
	}
	return s
}

// at returns the index of the scale of element i.
func (s scales) at(i int) int { return i / s.inner % s.length }

// quantize is QuantizeLinear of one value. NaN becomes the zero point.
func quantize(x, scale, zero, low, high float64) float64 {
	q := math.RoundToEven(x/scale) + zero
	if q != q {
		return zero
	}
	return min(max(q, low), high)
}

// limits returns the range of an integer type.
func limits(d graph.DType) (low, high float64) {
	switch d {
	case graph.Uint8:
		return 0, 255
	case graph.Int8:
		return -128, 127
	case graph.Int32:
		return math.MinInt32, math.MaxInt32
	}
	return -(1 << 63), 1<<63 - 1024
}

// quantize8Op is QuantizeLinear to uint8.
type quantize8Op struct {
	opBase
	q quantization
}

func (o *quantize8Op) plan(p *planner) error {
	x := p.natural(o.in[0])
	p.quantize(p.result8(x.layout), x, o.q.quantizer())
	return nil
}
