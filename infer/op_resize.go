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
