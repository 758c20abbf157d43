package mask

import (
	"fmt"
	"math"
	"slices"
	"sort"
)

const (
	grid          = 5       // points of the finer grid on a pixel's side
	maxCoordinate = 1 << 24 // of a polygon's corner, from zero
	maxCrossings  = 1 << 24 // of a polygon with the columns of pixels
)

// FromPolygons returns the pixels inside any of several polygons, each the x and y of its corners
// in turn. The edges are drawn on a grid five times finer than the pixels; see rleFrPoly in
// maskApi.c. The error wraps [ErrMask] for an odd number of values, fewer than three corners,
// values that are not finite or beyond ±2²⁴, and polygons that cross columns more than 2²⁴ times.
func FromPolygons(height, width int, polygons [][]float64) (Mask, error) {
	if err := checkSize(height, width); err != nil {
		return Mask{}, err
	}
	all := Mask{height, width, []uint32{uint32(height * width)}}
	for i, p := range polygons {
		m, err := polygon(height, width, p)
		if err != nil {
			return Mask{}, fmt.Errorf("%w: polygon %d %w", ErrMask, i, err)
		}
		all = union(all, m)
	}
	return all, nil
}

// polygon fills one polygon: down each column, the crossings with its edges are where inside and
// outside change.
func polygon(height, width int, xy []float64) (Mask, error) {
	if len(xy)%2 != 0 || len(xy) < 6 {
		return Mask{}, fmt.Errorf("has %d values, expected x and y of at least three corners", len(xy))
	}
	at := make([]int, len(xy)) // on the grid
	for i, v := range xy {
		if !(math.Abs(v) <= maxCoordinate) {
			return Mask{}, fmt.Errorf("has a corner at %v, expected at most %d", v, maxCoordinate)
		}
		at[i] = int(float64(grid*v) + .5)
	}
	var crossings []uint32
	for i := 0; i < len(at); i += 2 {
		j := (i + 2) % len(at)
		crossings = cross(crossings, height, width, at[i], at[i+1], at[j], at[j+1])
		if len(crossings) > maxCrossings {
			return Mask{}, fmt.Errorf("crosses columns more than %d times", maxCrossings)
		}
	}
	slices.Sort(crossings)
	var b builder
	last := 0
	for i, c := range append(crossings, uint32(height*width)) {
		b.add(int(c)-last, i%2 == 1)
		last = int(c)
	}
	return b.mask(height, width), nil
}

// cross appends where the edge between two points of the grid crosses columns of pixels, as
// positions in the order of runs. A column's line is between its third and fourth grid points. An
// edge is a grid point for each step along its longer side, rounded to the nearest along the
// shorter.
func cross(crossings []uint32, height, width, x0, y0, x1, y1 int) []uint32 {
	dx, dy := abs(x1-x0), abs(y1-y0)
	wide := dx >= dy
	if wide && x0 > x1 || !wide && y0 > y1 {
		x0, y0, x1, y1 = x1, y1, x0, y0
	}
	first := max((min(x0, x1)-grid/2+grid-1)/grid, 0)        // the columns whose line lies
	last := min((max(x0, x1)-grid/2-1+grid)/grid-1, width-1) // between the ends
	for c := first; c <= last; c++ {
		left := grid*c + grid/2 // of the line
		var y int
		if wide {
			slope := float64(y1-y0) / float64(dx)
			row := func(x int) int { return int(float64(y0) + float64(slope*float64(x-x0)) + .5) }
			y = min(row(left), row(left+1))
		} else {
			slope := float64(x1-x0) / float64(dy)
			column := func(t int) int { return int(float64(x0) + float64(slope*float64(t)) + .5) }
			steps := sort.Search(dy, func(t int) bool { return column(t) > left == (slope > 0) })
			y = y0 + steps - 1
		}
		pixel := math.Ceil((float64(y)+.5)/grid - .5)
		crossings = append(crossings, uint32(c*height)+uint32(min(max(pixel, 0), float64(height))))
	}
	return crossings
}

func abs(n int) int { return max(n, -n) }
