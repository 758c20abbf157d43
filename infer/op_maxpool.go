package infer

import (
	"github.com/repvit-go/repvit/graph"
)

var maxPoolLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.MaxPool) (operator, error) {
		return &windowOp{opBase: b, kernel: op.Kernel, strides: op.Strides, dilations: op.Dilation(), pads: op.Pads, into: func(p *planner) func(dst, src []float32) { return p.set.MaxInto }}, nil
	}),
}

// windowOp combines the pixels of windows into one each.
type windowOp struct {
	opBase
	kernel, strides, dilations [2]int
	pads                       [4]int
	// into returns the kernel that combines a pixel with the next.
	into func(p *planner) func(dst, src []float32)
	// finish, where it is not nil, turns the combination of the pixels inside into the result;
	// padded is how many there are with those of the padding.
	finish func(dst []float32, inside, padded int)
}

func (o *windowOp) plan(p *planner) error {
	x := p.value(o.in[0], chansLayout)
	out := p.result(chansLayout)
	into := o.into(p)
	height, width, ld := x.shape[2], x.shape[3], x.ld
	rows, columns := out.shape[2], out.shape[3]
	p.step(out.shape[0]*rows, columns*o.kernel[0]*o.kernel[1]*ld, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.data(out)
		return func(_ *local, from, to int) {
			for r := from; r < to; r++ {
				n, top := r/rows, r%rows*o.strides[0]-o.pads[0]
				for c := range columns {
					left := c*o.strides[1] - o.pads[1]
					pixel := dst[(r*columns+c)*ld:][:ld]
					count := 0
					for i := range o.kernel[0] {
						y := top + i*o.dilations[0]
						if y < 0 || y >= height {
							continue
						}
						for j := range o.kernel[1] {
							x := left + j*o.dilations[1]
							if x < 0 || x >= width {
								continue
							}
							in := src[((n*height+y)*width+x)*ld:][:ld]
							if count++; count == 1 {
								copy(pixel, in)
							} else {
								into(pixel, in)
							}
						}
					}
					if o.finish != nil {
						bottom, right := min(top+o.kernel[0], height+o.pads[2]), min(left+o.kernel[1], width+o.pads[3])
						o.finish(pixel, count, (bottom-top)*(right-left))
					}
				}
			}
		}
	})
	return nil
}
