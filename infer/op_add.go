package infer

import (
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var addLowering = opLowering{
	lower:   lowers((*lowering).add),
	integer: elementwise8((*lowering).integerAdd),
	takes:   (*lowering).takesElementwise,
}

func (l *lowering) add(b opBase, _ graph.Add) (operator, error) { return l.arithmetic(b, false) }

// integerAdd makes the sum of integers.
func (l *lowering) integerAdd(b opBase, from []quantization, out quantization) operator {
	if same := l.sameShapes(b.node); !same || !fine(from[0].scale, from[1].scale, out.scale) {
		return nil
	}
	return &sum8Op{b, from, out}
}

// sum8Op is Add of quantized values of the same shape.
type sum8Op struct {
	opBase
	from []quantization
	to   quantization
}

func (o *sum8Op) plan(p *planner) error {
	l := natural(len(p.dims(o.out)))
	a, b := p.integers(o.in[0], l), p.integers(o.in[1], l)
	var candidates []*buffer
	if a.store != b.store {
		candidates = []*buffer{a, b}
	}
	out := p.result8(l, candidates...)
	set := p.program.weights.set8
	p.step(a.rows, 2*a.ld, 1, []*buffer{a, b, out}, func(e *exec) func(*local, int, int) {
		x, y, z := e.bytes(a), e.bytes(b), e.bytes(out)
		s := kernel.Sum8{AZero: o.from[0].zero, BZero: o.from[1].zero, Zero: o.to.zero,
			AStep: float32(float64(o.from[0].scale) / float64(o.to.scale)), BStep: float32(float64(o.from[1].scale) / float64(o.to.scale))}
		return func(l *local, from, to int) {
			from, to = from*a.ld, to*a.ld
			l.integers.sum = s
			l.integers.sum.A, l.integers.sum.B, l.integers.sum.Out = x[from:to], y[from:to], z[from:to]
			set.Sum(&l.integers.sum)
		}
	})
	return nil
}
