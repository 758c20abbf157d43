package infer

import "github.com/repvit-go/repvit/graph"

var gatherNDLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, _ graph.GatherND) (operator, error) {
		b.in = b.node.Inputs
		return &gatherNDOp{b}, nil
	}),
}

// gatherNDOp is GatherND.
type gatherNDOp struct{ opBase }

func (o *gatherNDOp) plan(p *planner) error {
	x, indices := p.natural(o.in[0]), p.natural(o.in[1])
	out := p.result(natural(len(x.shape) - 1))
	strides := x.strides()
	channels, each := x.shape[1], outer(out)/x.shape[0] // rows of one element of the first axis
	if len(out.shape) == 1 {
		each = 0 // the first axis is the row
	}
	p.step(outer(out), 4*out.cols, 1, []*buffer{x, indices, out}, func(e *exec) func(*local, int, int) {
		src, which, dst, w := e.data(x), e.data(indices), e.data(out), newWalker(out, out)
		axes := out.axes()
		in := func(axis int) int { // distance in x along an axis of out
			if axis == 0 {
				return strides[0]
			}
			return strides[axis+1]
		}
		for k, axis := range axes[:len(axes)-1] {
			w.from[k] = in(axis)
		}
		w.c = in(axes[len(axes)-1])
		channel := func(n int) int {
			c := int(which[n*indices.ld])
			if c < 0 {
				c += channels
			}
			return min(max(c, 0), channels-1) * strides[1]
		}
		return func(_ *local, begin, end int) {
			for r := begin; r < end; r++ {
				to, from := w.row(r)
				for i := range w.n {
					n := i
					if each > 0 {
						n = r / each
					}
					dst[to+i*w.a] = src[from+i*w.c+channel(n)]
				}
			}
			clearPadding(out, dst, begin, end)
		}
	})
	return nil
}
