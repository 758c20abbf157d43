package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var softmaxLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, _ graph.Softmax) (operator, error) { return &softmaxOp{b}, nil }),
}

// softmaxOp is Softmax over the columns.
type softmaxOp struct{ opBase }

func (o *softmaxOp) plan(p *planner) error {
	p.elementwise(p.value(o.in[0], rowsLayout), 64, func(dst, src []float32, _ int) { softmax(dst, src) })
	return nil
}

// softmax is eˣ/Σeˣ, shifted by the maximum so that nothing overflows.
func softmax(dst, src []float32) {
	top := math.Inf(-1)
	for _, v := range src {
		top = max(top, float64(v))
	}
	sum := 0.0
	for _, v := range src {
		sum += math.Exp(float64(v) - top)
	}
	for i, v := range src {
		dst[i] = float32(math.Exp(float64(v)-top) / sum)
	}
}
