package infer

import "github.com/repvit-go/repvit/graph"

var whereLowering = opLowering{lower: lowers(func(_ *lowering, b opBase, _ graph.Where) (operator, error) {
	b.in = b.node.Inputs
	return &whereOp{b}, nil
})}

// whereOp is Where.
type whereOp struct{ opBase }

func (o *whereOp) plan(p *planner) error {
	c, x, y := p.natural(o.in[0]), p.natural(o.in[1]), p.natural(o.in[2])
	out := p.result(natural(len(p.dims(o.out))))
	p.step(outer(out), 12*out.cols, 1, []*buffer{c, x, y, out}, func(e *exec) func(*local, int, int) {
		holds, yes, no, dst := e.data(c), e.data(x), e.data(y), e.data(out)
		wc, wx, wy := newWalker(out, c), newWalker(out, x), newWalker(out, y)
		return func(_ *local, begin, end int) {
			for r := begin; r < end; r++ {
				to, k := wc.row(r)
				_, i := wx.row(r)
				_, j := wy.row(r)
				for n := range wc.n {
					v := no[j+n*wy.c]
					if holds[k+n*wc.c] != 0 {
						v = yes[i+n*wx.c]
					}
					dst[to+n*wc.a] = v
				}
			}
			clearPadding(out, dst, begin, end)
		}
	})
	return nil
}
