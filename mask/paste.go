package mask

import (
	"fmt"
	"math"
)

// Paste returns the pixels of an image inside a box (x0, y0, x1, y1 in pixels) at which the
// answer of a mask head, rows×cols probabilities for the box, is at least one half. It is
// interpolated linearly between the centres of its cells, with zeros around, as mmdetection does
// (mask_heads/fcn_mask_head.py); so no pixel outside the box is reached. A box of no area has no
// pixels. The error wraps [ErrMask] for probabilities of another number and boxes that are not
// finite.
func Paste(probabilities []float32, rows, cols int, box [4]float64, height, width int) (Mask, error) {
	if err := checkSize(height, width); err != nil {
		return Mask{}, err
	}
	if rows < 1 || cols < 1 || len(probabilities) != rows*cols {
		return Mask{}, fmt.Errorf("%w: found %d probabilities, expected %d×%d", ErrMask, len(probabilities), rows, cols)
	}
	for _, v := range box {
		if v-v != 0 {
			return Mask{}, fmt.Errorf("%w: the box %v, expected finite numbers", ErrMask, box)
		}
	}
	x0, x1 := centres(box[0], box[2], width)
	y0, y1 := centres(box[1], box[3], height)
	down := cells(y0, y1, box[1], box[3], rows)
	column := make([]float64, rows+2) // the answer along a column of pixels, with zeros around
	var b builder
	b.add(x0*height, false)
	for _, c := range cells(x0, x1, box[0], box[2], cols) {
		for r := range rows {
			p := probabilities[r*cols:][:cols]
			v := 0.0
			if c.first >= 0 {
				v = float64((1 - c.part) * float64(p[c.first]))
			}
			if c.first+1 < cols {
				v += float64(c.part * float64(p[c.first+1]))
			}
			column[r+1] = v
		}
		b.add(y0, false)
		for _, c := range down {
			b.add(1, float64((1-c.part)*column[c.first+1])+float64(c.part*column[c.first+2]) >= .5)
		}
		b.add(height-y1, false)
	}
	b.add((width-x1)*height, false)
	return b.mask(height, width), nil
}

// centres returns the pixels, of n, whose centres lie between two places.
func centres(from, to float64, n int) (first, end int) {
	if !(to > from) {
		return 0, 0
	}
	limit := func(v float64) int { return int(min(max(v, 0), float64(n))) }
	first = limit(math.Ceil(from - .5))
	return first, max(limit(math.Floor(to-.5)+1), first)
}

// cell is a place between the centres of two cells: behind the first by a part of a cell. Beyond
// the centres of the outermost, the first is −1 or the second is not there.
type cell struct {
	first int
	part  float64
}

// cells returns where the centres of the pixels first to end lie, between two places that n cells
// fill.
func cells(first, end int, from, to float64, n int) []cell {
	all := make([]cell, end-first)
	for i := range all {
		at := float64((float64(first+i)+.5-from)/(to-from)*float64(n)) - .5
		floor := min(max(math.Floor(at), -1), float64(n-1)) // where rounding leads further
		all[i] = cell{int(floor), at - floor}
	}
	return all
}
