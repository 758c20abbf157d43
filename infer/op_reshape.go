package infer

import "github.com/repvit-go/repvit/graph"

var reshapeLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, _ graph.Reshape) (operator, error) { return &reshapeOp{b}, nil }),
}

// reshapeOp is Reshape. Rows stay what they are where the last axis does; elements in the
// graph's own order can have any axes.
type reshapeOp struct{ opBase }

func (o *reshapeOp) plan(p *planner) error {
	x, to := p.any(o.in[0]), p.dims(o.out)
	rows := x.layout == rowsLayout && len(x.shape) > 0 && len(to) > 0 && x.shape[len(x.shape)-1] == to[len(to)-1]
	if rows || x.layout == planarLayout && x.store != nil {
		p.alias(x, x.layout)
		return nil
	}
	c := newBuffer(x.shape, planarLayout)
	p.allocate(c)
	p.copy(c, x)
	p.alias(c, planarLayout)
	return nil
}
