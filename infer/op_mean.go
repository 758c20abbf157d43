package infer

import (
	"github.com/repvit-go/repvit/graph"
)

var meanLowering = opLowering{
	lower: lowers((*lowering).mean),
}

func (l *lowering) mean(b opBase, _ graph.Mean) (operator, error) {
	b.in = b.node.Inputs
	return &meanOp{b}, nil
}

// meanOp is the mean of several values.
type meanOp struct{ opBase }

func (o *meanOp) plan(p *planner) error {
	l := natural(len(p.dims(o.out)))
	var xs []*buffer
	for _, v := range o.in {
		xs = append(xs, p.value(v, l))
	}
	out := p.result(l)
	p.step(out.rows, 4*len(xs)*out.ld, 1, append(xs[:len(xs):len(xs)], out), func(e *exec) func(*local, int, int) {
		dst := e.data(out)
		var src [][]float32
		for _, x := range xs {
			src = append(src, e.data(x))
		}
		k := 1 / float64(len(xs))
		return func(_ *local, from, to int) {
			for i := from * out.ld; i < to*out.ld; i++ {
				sum := 0.0
				for _, x := range src {
					sum += float64(x[i])
				}
				dst[i] = float32(sum * k)
			}
		}
	})
	return nil
}
