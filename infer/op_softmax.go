package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var softmaxLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.Softmax) (operator, error) { return &softmaxOp{b, op}, nil }),
}

// softmaxOp is Softmax.
type softmaxOp struct {
	opBase
	op graph.Softmax
}

func (o *softmaxOp) plan(p *planner) error {
	rank := len(p.dims(o.out))
	axis := o.op.Of(rank)
	l := rowsLayout
	if rank == 4 && axis == 1 {
		l = chansLayout
	}
	x := p.value(o.in[0], l)
	if l == chansLayout || axis == rank-1 {
		p.elementwise(x, 64, func(dst, src []float32, _ int) { softmax(dst, src) })
		return nil
	}
	// Columns of numbers that lie inner apart.
	out := p.result(l)
	length, inner := x.shape[axis], elements(x.shape[axis+1:rank-1])*x.ld
	p.step(elements(x.shape[:axis])*inner, 64*length, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.data(out)
		return func(l *local, from, to int) {
			column := l.floats(length)
			for i := from; i < to; i++ {
				first := i/inner*length*inner + i%inner
				for k := range column {
					column[k] = src[first+k*inner]
				}
				if i%x.ld >= x.cols { // padding stays what it is
					clear(column)
				} else {
					softmax(column, column)
				}
				for k, v := range column {
					dst[first+k*inner] = v
				}
			}
		}
	})
	p.scratch = max(p.scratch, length)
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
