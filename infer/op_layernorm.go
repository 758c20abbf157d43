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
	n := float64(len(src))
	mean := sum(src) / n
	factor := float32(1 / math.Sqrt(squares(src, mean)/n+epsilon))
	// The difference is of float64, because numbers may be close to their mean.
	if bias == nil {
		for i, v := range src {
			dst[i] = float32(float64(v)-mean) * factor * scale[i]
		}
		return
	}
	dst, scale, bias = dst[:len(src)], scale[:len(src)], bias[:len(src)]
	for i, v := range src {
		dst[i] = float32(float64(v)-mean)*factor*scale[i] + bias[i]
	}
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
