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

// taps are the elements of an axis that make each one of another, and their weights.
type taps struct {
	each    int
	indexes []int
	weights []float32
}

// interpolateOp makes each pixel the weighted sum of several, or of that the index of the largest
// channel.
type interpolateOp struct {
	opBase
	taps   func(axis, n, m int) taps // for rows, 0, and columns, 1: an axis of n that becomes m
	argMax bool
	last   bool // of several largest channels
}

func (o *interpolateOp) plan(p *planner) error {
	x := p.value(o.in[0], chansLayout)
	out := p.result(chansLayout)
	height, width, ld := x.shape[2], x.shape[3], x.ld
	rows, columns := out.shape[2], out.shape[3]
	scratch := (width + 1) * ld
	if !p.spend(8*(rows+columns) + p.threads*scratch) {
		return nil
	}
	down, along := o.taps(0, height, rows), o.taps(1, width, columns)
	p.scratch = max(p.scratch, scratch)
	p.step(out.shape[0]*rows, (width*down.each+columns*along.each)*ld, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.data(out)
		return func(l *local, from, to int) {
			buf := l.floats(scratch)
			line, sum := buf[:width*ld], buf[width*ld:]
			for r := from; r < to; r++ {
				n, y := r/rows, r%rows
				clear(line)
				for k := y * down.each; k < (y+1)*down.each; k++ {
					p.set.AddScaled(line, src[(n*height+down.indexes[k])*width*ld:], down.weights[k])
				}
				for c := range columns {
					pixel := sum
					if !o.argMax {
						pixel = dst[(r*columns+c)*ld:][:ld]
					}
					clear(pixel)
					for k := c * along.each; k < (c+1)*along.each; k++ {
						p.set.AddScaled(pixel, line[along.indexes[k]*ld:], along.weights[k])
					}
					if o.argMax {
						dst[(r*columns+c)*out.ld] = float32(argMax(pixel, axisRun{x.cols, 1}, o.last))
					}
				}
			}
			clearPadding(out, dst, from*columns, to*columns)
		}
	})
	return nil
}
