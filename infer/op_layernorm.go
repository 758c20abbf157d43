package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var layerNormLowering = opLowering{lower: lowers(func(_ *lowering, b opBase, op graph.LayerNorm) (operator, error) {
	b.in = b.node.Inputs
	return &layerNormOp{b, op}, nil
})}

// layerNormOp is LayerNorm. Its layout is one in which what is normalised together lies
// together.
type layerNormOp struct {
	opBase
	op graph.LayerNorm
}

func (o *layerNormOp) plan(p *planner) error {
	l := planarLayout
	switch {
	case o.op.Channels():
		l = chansLayout
	case len(o.op.Axes) == 1:
		l = rowsLayout
	}
	x := p.value(o.in[0], l)
	var bias *buffer
	scale := p.flat(o.in[1])
	if len(o.in) > 2 {
		bias = p.flat(o.in[2])
	}
	n := scale.cols
	groups, apart := x.rows, x.ld
	if l == planarLayout {
		groups, apart = x.cols/n, n
	}
	out := p.result(l, x)
	p.step(groups, 8*n, 1, []*buffer{x, scale, bias, out}, func(e *exec) func(*local, int, int) {
		dst := e.data(out)
		return func(_ *local, from, to int) {
			src, factors, shifts := e.data(x), e.data(scale), e.data(bias) // which may be inputs
			for g := from; g < to; g++ {
				layerNorm(dst[g*apart:][:n], src[g*apart:][:n], factors, shifts, o.op.Epsilon)
			}
			clearPadding(out, dst, from, to)
		}
	})
	return nil
}

// layerNorm is (x − mean)/√(variance + ε)·scale + bias.
func layerNorm(dst, src, scale, bias []float32, epsilon float64) {
	// Numbers may be far from 0 and close to each other: what counts is how far they are from the first.
	origin := src[0]
	mean, variance := moments(src, origin)
	factor, shift := float32(1/math.Sqrt(variance+epsilon)), float32(mean)
	dst, scale = dst[:len(src)], scale[:len(src)]
	if bias == nil {
		for i, v := range src {
			dst[i] = (v - origin - shift) * factor * scale[i]
		}
		return
	}
	bias = bias[:len(src)]
	for i, v := range src {
		dst[i] = (v-origin-shift)*factor*scale[i] + bias[i]
	}
}

// moments returns the mean of x − origin, and the variance, in one pass. Where the origin is one of n
// numbers, no more than n times the variance cancels.
func moments(x []float32, origin float32) (mean, variance float64) {
	n, o := float64(len(x)), float64(origin)
	var a, b, c, d, aa, bb, cc, dd float64
	for ; len(x) >= 4; x = x[4:] {
		p, q, r, s := float64(x[0])-o, float64(x[1])-o, float64(x[2])-o, float64(x[3])-o
		a, b, c, d = a+p, b+q, c+r, d+s
		aa, bb, cc, dd = aa+p*p, bb+q*q, cc+r*r, dd+s*s
	}
	for _, v := range x {
		p := float64(v) - o
		a += p
		aa += p * p
	}
	mean = (a + b + (c + d)) / n
	return mean, max((aa+bb+(cc+dd))/n-mean*mean, 0)
}

// flat returns v in the graph's own order, without gaps.
func (p *planner) flat(v *graph.Value) *buffer {
	if v.Const == nil {
		return p.value(v, planarLayout)
	}
	b := newBuffer(v.Const.Shape, planarLayout)
	b.fixed = v.Const.Float32s()
	return b
}
