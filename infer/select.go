package infer

// selectOp takes elements of its operand: those at a list of indexes along each axis.
type selectOp struct {
	opBase
	// indexes returns the list for an axis of n elements that becomes m; nil where the axis
	// stays what it is. A negative index stands for fill.
	indexes func(axis, n, m int) []int
	fill    float32
}

func (o *selectOp) plan(p *planner) error {
	x := p.natural(o.in[0])
	out := p.result(x.layout)
	// Where in memory the elements are along each axis, the innermost last.
	axes, strides := out.axes(), x.strides()
	offsets := make([][]int, len(axes))
	for k, axis := range axes {
		n, m := x.shape[axis], out.shape[axis]
		list := o.indexes(axis, n, m)
		if !p.spend(2 * m) {
			return nil
		}
		offsets[k] = make([]int, m)
		for i := range offsets[k] {
			at := i
			if list != nil {
				at = list[i]
			}
			offsets[k][i] = max(at, -1) * strides[axis]
		}
	}
	inner := offsets[len(axes)-1]
	offsets = offsets[:len(axes)-1]
	run := inner[0] >= 0 // neighbours stay neighbours
	for i, at := range inner {
		run = run && at == inner[0]+i
	}
	p.step(out.rows, 4*out.ld, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.data(out)
		return func(_ *local, begin, end int) {
			for r := begin; r < end; r++ {
				row := dst[r*out.ld:][:out.cols]
				from, inside := 0, true
				for k, i := len(offsets)-1, r; k >= 0; k-- {
					n := len(offsets[k])
					at := offsets[k][i%n]
					from += at
					inside = inside && at >= 0
					i /= n
				}
				switch {
				case inside && run:
					copy(row, src[from+inner[0]:])
				case inside:
					for i, at := range inner {
						if row[i] = o.fill; at >= 0 {
							row[i] = src[from+at]
						}
					}
				default:
					for i := range row {
						row[i] = o.fill
					}
				}
			}
			clearPadding(out, dst, begin, end)
		}
	})
	return nil
}
