package infer

import (
	"cmp"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var topKLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.TopK) (operator, error) { return &topKOp{b, op}, nil }),
}

// topKOp is TopK.
type topKOp struct {
	opBase
	op graph.TopK
}

func (o *topKOp) plan(p *planner) error {
	x := p.natural(o.in[0])
	out := p.result(natural(len(x.shape)))
	indices := p.further()[0]
	axis := len(x.shape) + o.op.Axis
	length := x.shape[axis]
	lines := newLines(axis, x, out, indices)
	sign := float32(1)
	if o.op.Smallest {
		sign = -1
	}
	p.step(lines.count, 64*length, 1, []*buffer{x, out, indices}, func(e *exec) func(*local, int, int) {
		src, dst, which := e.data(x), e.data(out), e.data(indices)
		return func(l *local, from, to int) {
			order := slices.Repeat([]int32{0}, length)
			for i := from; i < to; i++ {
				line := lines.at(i)
				for k := range order {
					order[k] = int32(k)
				}
				value := func(k int32) float32 { return src[line[0].from+int(k)*line[0].step] }
				slices.SortFunc(order, func(a, b int32) int {
					return cmp.Or(cmp.Compare(sign*value(b), sign*value(a)), cmp.Compare(a, b))
				})
				for k, at := range order[:o.op.K] {
					dst[line[1].from+k*line[1].step] = value(at)
					which[line[2].from+k*line[2].step] = float32(at)
				}
			}
		}
	})
	return nil
}

// lines are the runs of several buffers along one axis, on which alone their shapes differ.
type lines struct {
	count   int
	shape   []int // the other axes
	strides [][]int
	steps   []int
}

// line is where a run begins, and how far apart its elements are.
type line struct{ from, step int }

func newLines(axis int, buffers ...*buffer) lines {
	w := lines{shape: slices.Delete(slices.Clone(buffers[0].shape), axis, axis+1)}
	w.count = elements(w.shape)
	for _, b := range buffers {
		s := b.strides()
		w.steps = append(w.steps, s[axis])
		w.strides = append(w.strides, slices.Delete(s, axis, axis+1))
	}
	return w
}

// at returns run i in each of the buffers.
func (w *lines) at(i int) []line {
	all := make([]line, len(w.strides))
	for b, step := range w.steps {
		all[b].step = step
	}
	for k := len(w.shape) - 1; k >= 0; k-- {
		for b, s := range w.strides {
			all[b].from += i % w.shape[k] * s[k]
		}
		i /= w.shape[k]
	}
	return all
}
