package infer

import "github.com/repvit-go/repvit/graph"

// functionLowering is the lowering of an operator that is a function of each element, without a
// kernel of its own.
func functionLowering[T graph.Op](f func(T) func(float64) float64) opLowering {
	return opLowering{lower: lowers(func(_ *lowering, b opBase, op T) (operator, error) {
		return &functionOp{b, f(op)}, nil
	})}
}

// functionOp is a function of each element, computed in float64.
type functionOp struct {
	opBase
	f func(float64) float64
}

func (o *functionOp) plan(p *planner) error {
	p.elementwise(p.natural(o.in[0]), 32, func(dst, src []float32, _ int) {
		for i, v := range src {
			dst[i] = float32(o.f(float64(v)))
		}
	})
	return nil
}
