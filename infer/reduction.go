package infer

import "github.com/repvit-go/repvit/graph"

// reduceLowering is the lowering of an operator that makes one number of all elements along
// axes.
func reduceLowering[T graph.Op](reduction func(T) graph.Reduction, f func(x []float32, over []axisRun) float64) opLowering {
	return opLowering{lower: lowers(func(_ *lowering, b opBase, op T) (operator, error) {
		return &reduceOp{b, reduction(op), f}, nil
	})}
}

// reduceOp is a reduction; f gets the elements from the first one on, and how to go through
// them.
type reduceOp struct {
	opBase
	op graph.Reduction
	f  func(x []float32, over []axisRun) float64
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
					dst[to+i*w.a] = float32(o.f(src[from+i*w.c:], over))
				}
			}
			clearPadding(out, dst, begin, end)
		}
	})
	return nil
}

// along combines the elements along axes, beginning with a: f goes through one axis, whose
// elements are step apart in x.
func along(x []float32, over []axisRun, a float64, f func(a float64, x []float32, step int) float64) float64 {
	run := over[0]
	if len(over) == 1 {
		return f(a, x[:(run.n-1)*run.step+1], run.step)
	}
	for i := range run.n {
		a = along(x[i*run.step:], over[1:], a, f)
	}
	return a
}

// total is the sum along axes, in float64.
func total(x []float32, over []axisRun) float64 {
	return along(x, over, 0, func(a float64, x []float32, step int) float64 {
		if step == 1 {
			return a + sum(x)
		}
		for i := 0; i < len(x); i += step {
			a += float64(x[i])
		}
		return a
	})
}

// sum is the sum of elements, in float64 and in parts that a processor adds at the same time.
func sum(x []float32) float64 {
	var a, b, c, d float64
	for ; len(x) >= 4; x = x[4:] {
		a += float64(x[0])
		b += float64(x[1])
		c += float64(x[2])
		d += float64(x[3])
	}
	for _, v := range x {
		a += float64(v)
	}
	return a + b + (c + d)
}
