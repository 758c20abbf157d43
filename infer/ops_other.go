package infer

import (
	"math"
	"slices"
	"unsafe"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// doubles returns aligned scratch memory as half as many float64 elements.
func doubles(b []float32) []float64 {
	if uintptr(unsafe.Pointer(unsafe.SliceData(b)))%8 != 0 {
		b = b[1:]
	}
	return unsafe.Slice((*float64)(unsafe.Pointer(unsafe.SliceData(b))), len(b)/2)
}

// elementwise plans a step that maps x to a value of the same shape, row by row without
// padding, in place where nothing else reads x.
func (p *planner) elementwise(x *buffer, work int, f func(dst, src []float32, row int)) {
	out := p.result(x.layout, x)
	p.step(x.rows, work*x.ld, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.data(out)
		return func(_ *local, from, to int) {
			for r := from; r < to; r++ {
				f(dst[r*x.ld:][:x.cols], src[r*x.ld:][:x.cols], r)
			}
			clearPadding(out, dst, from, to)
		}
	})
}

// activationOp is an activation function that could not be fused.
type activationOp struct {
	opBase
	act kernel.Activation
}

func (o *activationOp) plan(p *planner) error {
	x := p.natural(o.in[0])
	out := p.result(x.layout, x)
	p.step(x.rows, 16*x.ld, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.data(out)
		return func(_ *local, from, to int) {
			d := dst[from*x.ld : to*x.ld]
			if out.store != x.store {
				copy(d, src[from*x.ld:])
			}
			p.set.Apply(d, o.act)
		}
	})
	return nil
}

// softmaxOp is Softmax over the columns.
type softmaxOp struct{ opBase }

func (o *softmaxOp) plan(p *planner) error {
	p.elementwise(p.value(o.in[0], rowsLayout), 64, func(dst, src []float32, _ int) { softmax(dst, src) })
	return nil
}

// softmax is eˣ/Σeˣ, shifted by the maximum so that nothing overflows.
func softmax(dst, src []float32) {
	top := math.Inf(-1)
	for _, v := range src {
		top = max(top, float64(v))
	}
	sum := 0.0
	for _, v := range src {
		sum += math.Exp(float64(v) - top)
	}
	for i, v := range src {
		dst[i] = float32(math.Exp(float64(v)-top) / sum)
	}
}

// castOp is a conversion. Values are float32 in memory whatever their type; narrower ones
// are rounded to what they can hold.
type castOp struct {
	opBase
	to graph.DType
}

func (o *castOp) plan(p *planner) error {
	x := p.natural(o.in[0])
	switch {
	case o.to == graph.Float16:
		p.elementwise(x, 8, func(dst, src []float32, _ int) {
			for i, v := range src {
				dst[i] = graph.Float16To32(graph.Float16From32(v))
			}
		})
	case o.to.IsFloat() || !p.types[o.in[0]].DType.IsFloat() && o.to.Size() >= p.types[o.in[0]].DType.Size() && o.to != graph.Int8 && o.to != graph.Uint8:
		p.alias(x, x.layout)
	default:
		low, high := limits(o.to)
		p.elementwise(x, 8, func(dst, src []float32, _ int) {
			for i, v := range src {
				f := math.Trunc(float64(v))
				if f != f {
					f = 0
				}
				dst[i] = float32(min(max(f, low), high))
			}
		})
	}
	return nil
}

// flattenOp is Flatten.
type flattenOp struct{ opBase }

func (o *flattenOp) plan(p *planner) error {
	x := p.natural(o.in[0])
	if x.layout == rowsLayout && len(x.shape) == 2 || x.layout == chansLayout && x.shape[2]*x.shape[3] == 1 {
		p.alias(x, rowsLayout)
		return nil
	}
	x = p.value(o.in[0], chansLayout)
	out := p.result(rowsLayout)
	pixels := x.shape[2] * x.shape[3]
	p.step(out.rows, 4*out.cols, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.data(out)
		return func(_ *local, from, to int) {
			for n := from; n < to; n++ {
				row := dst[n*out.ld:][:out.ld]
				for i := range pixels {
					for c, v := range src[(n*pixels+i)*x.ld:][:x.cols] {
						row[c*pixels+i] = v
					}
				}
			}
			clearPadding(out, dst, from, to)
		}
	})
	return nil
}

// transposeOp is Transpose.
type transposeOp struct {
	opBase
	perm []int
}

func (o *transposeOp) plan(p *planner) error {
	x := p.values[o.in[0]]
	if x == nil || !x.bytes || !o.turns(x.layout) {
		x = p.natural(o.in[0])
	}
	if o.turns(x.layout) {
		p.alias(x, chansLayout+rowsLayout-x.layout) // the other one
		return nil
	}
	// A view of x with its axes permuted, copied.
	out := p.result(natural(len(x.shape)))
	strides := x.strides()
	p.step(outer(out), 4*out.cols, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst, w := e.data(x), e.data(out), newWalker(out, out)
		axes := out.axes()
		for k, axis := range axes[:max(len(axes)-1, 0)] {
			w.from[k] = strides[o.perm[axis]]
		}
		if len(axes) > 0 {
			w.c = strides[o.perm[axes[len(axes)-1]]]
		}
		return func(_ *local, begin, end int) {
			for r := begin; r < end; r++ {
				to, from := w.row(r)
				for i := range w.n {
					dst[to+i*w.a] = src[from+i*w.c]
				}
			}
			clearPadding(out, dst, begin, end)
		}
	})
	return nil
}

// turns reports whether the result is the operand in memory, in another layout.
func (o *transposeOp) turns(l layout) bool {
	return l == chansLayout && slices.Equal(o.perm, []int{0, 2, 3, 1}) || l == rowsLayout && slices.Equal(o.perm, []int{0, 3, 1, 2})
}

// quantOp is QuantizeLinear or DequantizeLinear in float32 arithmetic.
type quantOp struct {
	opBase
	quantize    bool
	axis        int
	scale, zero []float64
	dtype       graph.DType // quantized type
}

func (o *quantOp) plan(p *planner) error {
	x := p.natural(o.in[0])
	low, high := limits(o.dtype)
	one := func(v float32, k int) float32 {
		if o.quantize {
			return float32(quantize(float64(v), o.scale[k], o.zero[k], low, high))
		}
		return float32((float64(v) - o.zero[k]) * o.scale[k])
	}
	if len(o.scale) == 1 {
		p.elementwise(x, 16, func(dst, src []float32, _ int) {
			for i, v := range src {
				dst[i] = one(v, 0)
			}
		})
		return nil
	}
	axis := o.axis
	if x.layout == chansLayout && axis == 1 || x.layout == rowsLayout && axis == len(x.shape)-1 {
		p.elementwise(x, 16, func(dst, src []float32, _ int) {
			for i, v := range src {
				dst[i] = one(v, i)
			}
		})
		return nil
	}
	// The scale belongs to an axis that is constant along a row.
	inner := 1
	after := false
	for _, a := range x.axes()[:len(x.shape)-1] {
		if after {
			inner *= x.shape[a]
		}
		after = after || a == axis
	}
	p.elementwise(x, 16, func(dst, src []float32, row int) {
		k := row / inner % len(o.scale)
		for i, v := range src {
			dst[i] = one(v, k)
		}
	})
	return nil
}
