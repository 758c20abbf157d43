package infer

import (
	"github.com/repvit-go/repvit/graph"
)

var flattenLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, _ graph.Flatten) (operator, error) { return &flattenOp{b}, nil }),
	takes: (*lowering).takesView,
}

// flattenOp is Flatten.
type flattenOp struct{ opBase }

func (o *flattenOp) plan(p *planner) error {
	x := p.natural(o.in[0])
	if x.layout == rowsLayout && len(x.shape) == 2 || x.layout == chansLayout && x.shape[2]*x.shape[3] == 1 {
		p.alias(x, rowsLayout)
		return nil
	}
	x = p.value(o.in[0], chansLayout)
	out := p.result(rowsLayout)
	pixels := x.shape[2] * x.shape[3]
	p.step(out.rows, 4*out.cols, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.data(out)
		return func(_ *local, from, to int) {
			for n := from; n < to; n++ {
				row := dst[n*out.ld:][:out.ld]
				for i := range pixels {
					for c, v := range src[(n*pixels+i)*x.ld:][:x.cols] {
						row[c*pixels+i] = v
					}
				}
			}
			clearPadding(out, dst, from, to)
		}
	})
	return nil
}
