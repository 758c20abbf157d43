package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// roiAlign samples every bin of every region on a regular grid and takes the mean.
func (e *exec) roiAlign(op graph.RoiAlign, out array, in []array) {
	regions := in[len(in)-1]
	channels := out.shape[1]
	e.parallel(out.shape[0], func(k int) {
		box := regions.row(k, 4)
		level := 0
		size := math.Sqrt(max(box[2]-box[0], 0)*max(box[3]-box[1], 0)) + 1e-6*op.Finest
		for limit := 2 * op.Finest; level < len(op.Strides)-1 && size >= limit; limit *= 2 {
			level++
		}
		stride := float64(op.Strides[level])
		top, left := box[1]/stride-0.5, box[0]/stride-0.5
		height, width := (box[3]-box[1])/stride, (box[2]-box[0])/stride
		rows, columns := samples(height, op.Height), samples(width, op.Width)
		if rows == 0 || columns == 0 {
			return
		}
		for c := range channels {
			if e.stopped() {
				return
			}
			x := array{in[level].shape[2:], in[level].row(c, elements(in[level].shape[2:]))}
			for i := range op.Height {
				for j := range op.Width {
					sum := 0.0
					for r := range rows {
						for s := range columns {
							y := top + height/float64(op.Height)*(float64(i)+(float64(r)+0.5)/float64(rows))
							z := left + width/float64(op.Width)*(float64(j)+(float64(s)+0.5)/float64(columns))
							sum += bilinear(x, y, z)
						}
					}
					out.v[((k*channels+c)*op.Height+i)*op.Width+j] = sum / float64(rows*columns)
				}
			}
		}
	})
}

// samples is the number of samples along an axis of a bin.
func samples(size float64, bins int) int {
	n := math.Ceil(size / float64(bins))
	if !(n > 0) {
		return 0
	}
	return int(min(n, graph.MaxSamples))
}

// bilinear is what an image shows at a point, in pixels from the centre of its first.
func bilinear(x array, row, column float64) float64 {
	height, width := x.shape[0], x.shape[1]
	if row < -1 || row > float64(height) || column < -1 || column > float64(width) {
		return 0
	}
	row, column = min(max(row, 0), float64(height-1)), min(max(column, 0), float64(width-1))
	r, c := int(row), int(column)
	below, right := min(r+1, height-1), min(c+1, width-1)
	dr, dc := row-float64(r), column-float64(c)
	at := func(r, c int) float64 { return x.v[r*width+c] }
	return (1-dr)*((1-dc)*at(r, c)+dc*at(r, right)) + dr*((1-dc)*at(below, c)+dc*at(below, right))
}
