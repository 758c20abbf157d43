package infer

import (
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var transposeLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.Transpose) (operator, error) {
		return &transposeOp{opBase: b, perm: op.Perm}, nil
	}),
	takes: (*lowering).takesView,
}

// transposeOp is Transpose.
type transposeOp struct {
	opBase
	perm []int
}

func (o *transposeOp) plan(p *planner) error {
	x := p.values[o.in[0]]
	if x == nil || !x.bytes || !o.turns(x.layout) {
		x = p.natural(o.in[0])
	}
	if o.turns(x.layout) {
		p.alias(x, chansLayout+rowsLayout-x.layout) // the other one
		return nil
	}
	// A view of x with its axes permuted, copied.
	out := p.result(natural(len(x.shape)))
	strides := x.strides()
	p.step(outer(out), 4*out.cols, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst, w := e.data(x), e.data(out), newWalker(out, out)
		axes := out.axes()
		for k, axis := range axes[:max(len(axes)-1, 0)] {
			w.from[k] = strides[o.perm[axis]]
		}
		if len(axes) > 0 {
			w.c = strides[o.perm[axes[len(axes)-1]]]
		}
		return func(_ *local, begin, end int) {
			for r := begin; r < end; r++ {
				to, from := w.row(r)
				for i := range w.n {
					dst[to+i*w.a] = src[from+i*w.c]
				}
			}
			clearPadding(out, dst, begin, end)
		}
	})
	return nil
}

// turns reports whether the result is the operand in memory, in another layout.
func (o *transposeOp) turns(l layout) bool {
	return l == chansLayout && slices.Equal(o.perm, []int{0, 2, 3, 1}) || l == rowsLayout && slices.Equal(o.perm, []int{0, 3, 1, 2})
}
