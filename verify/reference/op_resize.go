package reference

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// resize is out[n,c,y,x] = Σ_i,j wy[i]·wx[j] · in[n,c,iy[i],ix[j]] over the pixels around the
// place of (y, x) in the input.
func (e *exec) resize(op graph.Resize, out array, in []array) {
	x := in[0]
	height, width := x.shape[2], x.shape[3]
	rows, columns := out.shape[2], out.shape[3]
	around := func(axis, i, n, m int) ([]int, []float64) {
		return neighbours(op, place(op, axis, i, n, m), n)
	}
	e.parallel(out.shape[0]*out.shape[1], func(plane int) {
		from, to := x.row(plane, height*width), out.row(plane, rows*columns)
		for r := range rows {
			if e.stopped() {
				return
			}
			iy, wy := around(0, r, height, rows)
			for c := range columns {
				ix, wx := around(1, c, width, columns)
				for i := range iy {
					for j := range ix {
						to[r*columns+c] += wy[i] * wx[j] * from[iy[i]*width+ix[j]]
					}
				}
			}
		}
	})
}

// place is where output pixel i of m lies in an axis of n.
func place(op graph.Resize, axis, i, n, m int) float64 {
	step := float64(n) / float64(m)
	if s := op.Scales[axis]; s != 0 {
		step = 1 / s
	}
	switch {
	case op.Coordinates == "asymmetric":
		return float64(i) * step
	case op.Coordinates == "half_pixel" || op.Coordinates == "pytorch_half_pixel" && m > 1:
		return (float64(i)+0.5)*step - 0.5
	case op.Coordinates == "align_corners" && m > 1:
		return float64(i) * float64(n-1) / float64(m-1)
	}
	return 0
}

// neighbours returns the pixels that make the one at a place, and their weights.
func neighbours(op graph.Resize, at float64, n int) ([]int, []float64) {
	inside := func(i float64) int { return int(min(max(i, 0), float64(n-1))) }
	first := math.Floor(at)
	t := at - first
	switch op.Mode {
	case "linear":
		return []int{inside(first), inside(first + 1)}, []float64{1 - t, t}
	case "cubic":
		const a = -0.75
		near := func(x float64) float64 { return (a+2)*x*x*x - (a+3)*x*x + 1 }    // |x| ≤ 1
		far := func(x float64) float64 { return a*x*x*x - 5*a*x*x + 8*a*x - 4*a } // 1 < |x| < 2
		return []int{inside(first - 1), inside(first), inside(first + 1), inside(first + 2)}, []float64{far(1 + t), near(t), near(1 - t), far(2 - t)}
	}
	at = float64(float32(at))
	switch op.Nearest {
	case "floor":
		at = math.Floor(at)
	case "ceil", "round_prefer_floor":
		if op.Nearest != "ceil" {
			at -= 0.5
		}
		at = math.Ceil(at)
	case "round_prefer_ceil":
		at = math.Floor(at + 0.5)
	}
	return []int{inside(at)}, []float64{1}
}
