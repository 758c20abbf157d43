package infer

import (
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var resizeLowering = opLowering{
	lower: lowers(func(l *lowering, b opBase, op graph.Resize) (operator, error) {
		if op.Mode != "nearest" {
			o := &interpolateOp{opBase: b, taps: func(axis, n, m int) taps { return interpolation(op, axis, n, m) }}
			l.classes(o)
			return o, nil
		}
		return &selectOp{opBase: b, indexes: func(axis, n, m int) []int {
			if axis < 2 {
				return nil
			}
			list := make([]int, m)
			for i := range list {
				list[i] = nearest(op.Nearest, float64(float32(coordinate(op, axis-2, n, m, i))), n)
			}
			return list
		}}, nil
	}),
}

// classes fuses an ArgMax over channels into the interpolation before it: a map of many classes
// need not exist in the image's size.
func (l *lowering) classes(o *interpolateOp) {
	n := l.next(o.out)
	if n == nil {
		return
	}
	if op, ok := n.Op.(graph.ArgMax); ok && op.KeepDims && slices.Equal(op.Reduction().Reduces(4), []bool{false, true, false, false}) {
		o.argMax, o.last = true, op.SelectLastIndex
		l.absorb(&o.opBase, n)
	}
}

// coordinate returns the place of element i of m in an axis of n.
func coordinate(op graph.Resize, axis, n, m, i int) float64 {
	scale := op.Scales[axis]
	at := func(i float64) float64 {
		if scale == 0 {
			return i * float64(n) / float64(m)
		}
		return i / scale
	}
	switch op.Coordinates {
	case "asymmetric":
		return at(float64(i))
	case "align_corners":
		return float64(i) * float64(n-1) / float64(max(m-1, 1))
	case "pytorch_half_pixel":
		if m == 1 {
			return 0
		}
	}
	return at(float64(i)+0.5) - 0.5
}

// nearest rounds a place to one of n elements.
func nearest(how string, at float64, n int) int {
	i := math.Floor(at)
	switch rest := at - i; how {
	case "ceil":
		i = math.Ceil(at)
	case "round_prefer_floor":
		if rest > 0.5 {
			i++
		}
	case "round_prefer_ceil":
		if rest >= 0.5 {
			i++
		}
	}
	return int(min(max(i, 0), float64(n-1)))
}

// interpolation returns the taps of linear and cubic interpolation.
func interpolation(op graph.Resize, axis, n, m int) taps {
	t := taps{each: 2}
	if op.Mode == "cubic" {
		t.each = 4
	}
	for i := range m {
		at := coordinate(op, axis, n, m, i)
		first := math.Floor(at)
		rest := at - first
		weights := []float64{1 - rest, rest}
		if op.Mode == "cubic" {
			first--
			weights = []float64{cubic(1 + rest), cubic(rest), cubic(1 - rest), cubic(2 - rest)}
		}
		for k, w := range weights {
			t.indexes = append(t.indexes, int(min(max(first+float64(k), 0), float64(n-1))))
			t.weights = append(t.weights, float32(w))
		}
	}
	return t
}

// cubic is the weight of an element at a distance of 0 to 2: cubic convolution (Keys, "Cubic
// Convolution Interpolation for Digital Image Processing", 1981).
func cubic(x float64) float64 {
	const a = -0.75
	if x <= 1 {
		return ((a+2)*x-(a+3))*x*x + 1
	}
	return ((a*x-5*a)*x+8*a)*x - 4*a
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
