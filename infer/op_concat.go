package infer

import "github.com/repvit-go/repvit/graph"

var concatLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.Concat) (operator, error) {
		b.in = b.node.Inputs
		return &concatOp{b, op.Axis}, nil
	}),
}

// concatOp is Concat: each operand is copied to its place.
type concatOp struct {
	opBase
	axis int
}

func (o *concatOp) plan(p *planner) error {
	l := p.natural(o.in[0]).layout
	xs := make([]*buffer, len(o.in))
	for i, v := range o.in {
		xs[i] = p.value(v, l)
	}
	out := p.result(l)
	at := 0 // in memory
	for _, x := range xs {
		first := at
		at += x.shape[o.axis] * out.strides()[o.axis]
		p.step(x.rows, 4*x.ld, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
			src, dst, w := e.data(x), e.data(out), newWalker(x, x)
			for k, axis := range x.axes()[:len(x.shape)-1] {
				w.to[k] = out.strides()[axis]
			}
			return func(_ *local, begin, end int) {
				for r := begin; r < end; r++ {
					to, from := w.row(r)
					to += first
					copy(dst[to:], src[from:][:x.cols])
					// Behind the last of several operands in a row is padding.
					if c := to%out.ld + x.cols; c == out.cols {
						clear(dst[to+x.cols:][:out.ld-c])
					}
				}
			}
		})
	}
	return nil
}
