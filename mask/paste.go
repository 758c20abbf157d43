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
	x, x1 := centres(box[0], box[2], width)
	y0, y1 := centres(box[1], box[3], height)
	var b builder
	b.add(x*height, false)
	column := make([]float64, rows) // the answer at the column's x, for each of its rows
	for ; x < x1; x++ {
		a, w := cell(x, box[0], box[2], cols)
		for r := range column {
			p := probabilities[r*cols:][:cols]
			column[r] = mix(func(i int) float64 { return float64(p[i]) }, cols, a, w)
		}
		b.add(y0, false)
		for y := y0; y < y1; y++ {
			a, w := cell(y, box[1], box[3], rows)
			b.add(1, mix(func(i int) float64 { return column[i] }, rows, a, w) >= .5)
		}
		b.add(height-y1, false)
	}
	b.add((width-x)*height, false)
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

// cell returns between which of n cells from the place from to the place to a pixel's centre
// lies: behind cell i, by the part w of a cell.
func cell(pixel int, from, to float64, n int) (i int, w float64) {
	at := (float64(pixel)+.5-from)/(to-from)*float64(n) - .5
	floor := math.Floor(at)
	return int(floor), at - floor
}

// mix interpolates between cells i and i+1 of n, with zeros around.
func mix(cells func(int) float64, n, i int, w float64) float64 {
	v := 0.0
	if i >= 0 && i < n {
		v = float64((1 - w) * cells(i))
	}
	if i+1 >= 0 && i+1 < n {
		v += float64(w * cells(i+1))
	}
	return v
}
