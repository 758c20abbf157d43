package infer

import (
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var mulLowering = opLowering{
	lower:   lowers((*lowering).mul),
	integer: elementwise8((*lowering).integerMul),
	takes:   (*lowering).takesElementwise,
}

func (l *lowering) mul(b opBase, _ graph.Mul) (operator, error) { return l.arithmetic(b, true) }

// integerMul makes the product of an image and a factor for each channel.
func (l *lowering) integerMul(b opBase, from []quantization, out quantization) operator {
	n := b.node
	for i, v := range n.Inputs {
		s, g := l.types[n.Inputs[1-i]].Shape, l.types[v].Shape
		one := graph.Fixed(1)
		if len(g) == 4 && g[2] == one && g[3] == one && g[0] == s[0] && g[1] == s[1] && slices.Equal(s, l.types[n.Output].Shape) &&
			fine(255*from[0].scale*from[1].scale, out.scale) {
			return &scale8Op{opBase: b, x: 1 - i, from: from, to: out}
		}
	}
	return nil
}

// scale8Op is Mul of a quantized image, operand x, with a quantized factor for each channel.
type scale8Op struct {
	opBase
	x    int
	from []quantization
	to   quantization
}

func (o *scale8Op) plan(p *planner) error {
	x, gate := p.integers(o.in[o.x], chansLayout), p.integers(o.in[1-o.x], chansLayout)
	var candidates []*buffer
	if x.store != gate.store {
		candidates = []*buffer{x}
	}
	out := p.result8(chansLayout, candidates...)
	pixels := x.shape[2] * x.shape[3]
	unit := o.from[0].scale * o.from[1].scale / o.to.scale
	zero, gateZero := o.from[o.x].zero, o.from[1-o.x].zero
	p.scratch = max(p.scratch, x.ld)
	set := p.program.weights.set8
	p.step(x.rows, x.ld, 1, []*buffer{x, gate, out}, func(e *exec) func(*local, int, int) {
		src, dst, gates := e.matrix8(x), e.matrix8(out), e.bytes(gate)
		return func(l *local, from, to int) {
			factors := l.floats(x.ld)
			for from < to {
				n := from / pixels
				end := min(to, (n+1)*pixels)
				for c, g := range gates[n*gate.ld:][:x.ld] {
					factors[c] = float32(int32(g) - int32(gateZero))
				}
				set.Scale(dst, src, factors, unit, zero, o.to.zero, from, end)
				from = end
			}
		}
	})
	return nil
}
