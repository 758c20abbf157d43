package infer

import (
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var postprocessMasksLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.PostprocessMasks) (operator, error) {
		return &postprocessMasksOp{b, op}, nil
	}),
}

// postprocessMasksOp is PostprocessMasks. Of the square only those rows are there, at each time, that
// a row of the result is made of.
type postprocessMasksOp struct {
	opBase
	op graph.PostprocessMasks
}

func (o *postprocessMasksOp) plan(p *planner) error {
	x := p.natural(o.in[0])
	out := p.result(planarLayout)
	op := o.op
	op.Height, op.Width = out.shape[2], out.shape[3] // of a size that came with the input
	rows, columns := op.Crop()
	linear := graph.Resize{Mode: "linear", Coordinates: "half_pixel"}
	height, width := x.shape[2], x.shape[3]
	if !p.spend(8 * (2*op.Size + op.Height + op.Width)) {
		return nil
	}
	// From masks to the square, and from the part of it that is the image to the result.
	down1, along1 := interpolation(linear, 0, height, op.Size), interpolation(linear, 1, width, op.Size)
	down2, along2 := interpolation(linear, 0, rows, op.Height), interpolation(linear, 1, columns, op.Width)
	strides := x.strides()
	planes := out.shape[0] * out.shape[1]
	need := width + 3*columns
	p.scratch = max(p.scratch, need)
	p.step(planes*op.Height, 8*op.Width, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.data(out)
		return func(l *local, from, to int) {
			scratch := l.floats(need)
			mask, lines := scratch[:width], [2][]float32{scratch[width:][:columns], scratch[width+columns:][:columns]}
			between := scratch[width+2*columns:][:columns]
			var held [2]int // rows of the square, of all planes, that the lines are
			held[0], held[1] = -1, -1
			for r := from; r < to; r++ {
				plane, y := r/op.Height, r%op.Height
				base := plane/out.shape[1]*strides[0] + plane%out.shape[1]*strides[1]
				var two [2][]float32
				for k := range two {
					row := down2.indexes[2*y+k]
					at := slices.Index(held[:], plane*rows+row)
					if at < 0 {
						at = 0
						if k == 1 && held[0] == plane*rows+down2.indexes[2*y] {
							at = 1
						}
						held[at] = plane*rows + row
						a, b := base+down1.indexes[2*row]*strides[2], base+down1.indexes[2*row+1]*strides[2]
						u, v := down1.weights[2*row], down1.weights[2*row+1]
						for i := range mask {
							mask[i] = u*src[a+i*strides[3]] + v*src[b+i*strides[3]]
						}
						blend(lines[at], mask, along1)
					}
					two[k] = lines[at]
				}
				u, v := down2.weights[2*y], down2.weights[2*y+1]
				above, below := two[0], two[1][:len(between)]
				for i := range between {
					between[i] = u*above[i] + v*below[i]
				}
				blend(dst[r*op.Width:][:op.Width], between, along2)
			}
		}
	})
	return nil
}

// blend makes each element the weighted sum of two.
func blend(dst, src []float32, t taps) {
	for i := range dst {
		dst[i] = t.weights[2*i]*src[t.indexes[2*i]] + t.weights[2*i+1]*src[t.indexes[2*i+1]]
	}
}
