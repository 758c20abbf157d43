package infer

import (
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// activation is an activation function: the kernels', which is fused behind other operators,
// and the exact one, of which integers have a table. The zero value is none.
type activation struct {
	kernel.Activation
	f func(float64) float64
}

// activationOf returns the activation function that a node is, none for another operator.
func activationOf(n *graph.Node) activation {
	if n == nil || !n.Is(graph.Activation) {
		return activation{}
	}
	return lowerings[n.Op.Kind()].activation(n.Op)
}

// activationLowering is the lowering of an operator that is an activation function.
func activationLowering[T graph.Op](f func(T) activation) opLowering {
	return opLowering{
		lower: lowers(func(_ *lowering, b opBase, op T) (operator, error) {
			return &activationOp{opBase: b, act: f(op).Activation}, nil
		}),
		activation: func(op graph.Op) activation { return f(op.(T)) },
		integer: elementwise8(func(_ *lowering, b opBase, from []quantization, to quantization) operator {
			return &lookup8Op{b, activationTable(f(b.node.Op.(T)), from[0], to)}
		}),
		takes: (*lowering).takesElementwise,
	}
}

// activationOp is an activation function that could not be fused.
type activationOp struct {
	opBase
	act kernel.Activation
}

func (o *activationOp) plan(p *planner) error {
	x := p.natural(o.in[0])
	out := p.result(x.layout, x)
	p.step(x.rows, 16*x.ld, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.data(out)
		return func(_ *local, from, to int) {
			d := dst[from*x.ld : to*x.ld]
			if out.store != x.store {
				copy(d, src[from*x.ld:])
			}
			p.set.Apply(d, o.act)
		}
	})
	return nil
}

// lookup8Op is a function of single quantized numbers.
type lookup8Op struct {
	opBase
	table *[256]uint8
}

// activationTable returns what a quantized number becomes when it is dequantized, given to
// an activation function and quantized again.
func activationTable(act activation, from, to quantization) *[256]uint8 {
	var t [256]uint8
	for i := range t {
		y := act.f(float64(float32(i-int(from.zero)) * from.scale))
		t[i] = uint8(quantize(float64(float32(y)), float64(to.scale), float64(to.zero), 0, 255))
	}
	return &t
}

func (o *lookup8Op) plan(p *planner) error {
	x := p.integers(o.in[0], natural(len(p.dims(o.in[0]))))
	out := p.result8(x.layout, x)
	set := p.program.weights.set8
	p.step(x.rows, x.ld, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.bytes(x), e.bytes(out)
		return func(_ *local, from, to int) { set.Lookup(dst[from*x.ld:to*x.ld], src[from*x.ld:to*x.ld], o.table) }
	})
	return nil
}
