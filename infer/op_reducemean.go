package infer

import "github.com/repvit-go/repvit/graph"

var reduceMeanLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.ReduceMean) (operator, error) { return &reduceOp{b, op}, nil }),
}

// reduceOp is ReduceMean, whose sums are float64.
type reduceOp struct {
	opBase
	op graph.ReduceMean
}

// axisRun is an axis that is gone through: how many elements, and how far apart they are.
type axisRun struct{ n, step int }

func (o *reduceOp) plan(p *planner) error {
	x := p.natural(o.in[0])
	out := p.result(natural(len(p.dims(o.out))))
	var over []axisRun // the last one innermost
	var kept []int     // distances in x along the axes of out
	count := 1
	for i, reduced := range o.op.Reduces(len(x.shape)) {
		step := x.strides()[i]
		if reduced {
			over = append(over, axisRun{x.shape[i], step})
			count *= x.shape[i]
			step = 0
		}
		if !reduced || o.op.KeepDims {
			kept = append(kept, step)
		}
	}
	p.step(outer(out), 4*out.cols*count, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst, w := e.data(x), e.data(out), newWalker(out, out)
		axes := out.axes()
		for k, axis := range axes[:max(len(axes)-1, 0)] {
			w.from[k] = kept[axis]
		}
		if len(axes) > 0 {
			w.c = kept[axes[len(axes)-1]]
		}
		return func(_ *local, begin, end int) {
			for r := begin; r < end; r++ {
				to, from := w.row(r)
				for i := range w.n {
					dst[to+i*w.a] = float32(total(src[from+i*w.c:], over) / float64(count))
				}
			}
			clearPadding(out, dst, begin, end)
		}
	})
	return nil
}

// total is the sum over axes.
func total(x []float32, over []axisRun) float64 {
	sum, a := 0.0, over[0]
	for i := range a.n {
		if len(over) > 1 {
			sum += total(x[i*a.step:], over[1:])
		} else {
			sum += float64(x[i*a.step])
		}
	}
	return sum
}
