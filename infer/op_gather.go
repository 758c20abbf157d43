package infer

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

var gatherLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.Gather) (operator, error) {
		list := b.node.Inputs[1]
		if list.Const == nil {
			return nil, fmt.Errorf("%w: indexes %q are computed from the input, expected constants", ErrUnsupported, list.Name)
		}
		return &gatherOp{b, op.Axis, list.Const.Float64s()}, nil
	}),
}

// gatherOp is Gather with a list of whole numbers.
type gatherOp struct {
	opBase
	axis int
	list []float64
}

func (o *gatherOp) plan(p *planner) error {
	n := p.dims(o.in[0])[o.axis]
	list := make([]int, len(o.list))
	for k, i := range o.list {
		if i < -float64(n) || i >= float64(n) {
			return fmt.Errorf("%w: index %v of an axis of size %d", graph.ErrShape, i, n)
		}
		if list[k] = int(i); i < 0 {
			list[k] += n
		}
	}
	s := &selectOp{opBase: o.opBase, indexes: func(axis, _, _ int) []int {
		if axis != o.axis {
			return nil
		}
		return list
	}}
	return s.plan(p)
}
