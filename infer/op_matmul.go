package infer

import (
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var matMulLowering = opLowering{
	lower:   lowers((*lowering).matMul),
	integer: (*lowering).integerLinear,
	takes:   (*lowering).takesLinear,
	packs:   func(weight []int) bool { return len(weight) == 2 },
}

func (l *lowering) matMul(b opBase, _ graph.MatMul) (operator, error) {
	if v := b.node.Inputs[1]; v.Const == nil || len(v.Const.Shape) != 2 {
		b.in = b.node.Inputs
		return &matMulOp{b}, nil
	}
	w, _, err := l.parameters(b.node)
	if err != nil {
		return nil, err
	}
	g := &gemmOp{opBase: b, layout: rowsLayout}
	g.w = l.w.get(formMatMul, w, l.addedBias(&g.opBase, w.Shape[1]))
	l.epilogue(&g.opBase, &g.act, &g.residual)
	return g, nil
}

// addedBias makes the addition of a vector of n numbers to an operator's result a part of it, and
// returns the vector; nil where there is none.
func (l *lowering) addedBias(o *opBase, n int) *graph.Tensor {
	add := l.next(o.out)
	if add == nil {
		return nil
	}
	if _, ok := add.Op.(graph.Add); !ok {
		return nil
	}
	for i, v := range add.Inputs {
		if v.Const != nil && add.Inputs[1-i] == o.out && v.Const.DType == graph.Float32 && slices.Equal(v.Const.Shape, []int{n}) {
			l.absorb(o, add)
			return v.Const
		}
	}
	return nil
}

// matMulOp is MatMul with matrices that are computed, or are several.
type matMulOp struct{ opBase }

func (o *matMulOp) plan(p *planner) error {
	x, w := p.value(o.in[0], rowsLayout), p.value(o.in[1], rowsLayout)
	out := p.result(rowsLayout)
	rank := len(out.shape)
	rows, k, n := out.shape[rank-2], x.cols, w.cols
	// The matrices are packed in the order in which they lie in memory.
	one := kernel.Packed{K: k, N: n, Bias: kernel.Floats(w.ld)}
	matrices := w.rows / k
	packed := newBuffer([]int{w.rows, n}, rowsLayout)
	p.allocate(packed)
	p.step(matrices, k*w.ld, 1, []*buffer{w, packed}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(w), e.data(packed)
		return func(_ *local, from, to int) {
			for i := from; i < to; i++ {
				m := one
				m.B = dst[i*k*w.ld:][:k*w.ld]
				p.set.PackRows(&m, kernel.Matrix{Data: src[i*k*w.ld:], Rows: k, LD: w.ld})
			}
		}
	})
	xs, ws := batches(out.shape[:rank-2], x.shape[:len(x.shape)-2]), batches(out.shape[:rank-2], w.shape[:len(w.shape)-2])
	p.step(out.rows, k*w.ld, 1, []*buffer{x, packed, out}, func(e *exec) func(*local, int, int) {
		src, dst, b := e.data(x), e.data(out), e.data(packed)
		weights := make([]kernel.Packed, matrices)
		for i := range weights {
			weights[i] = one
			weights[i].B = b[i*k*w.ld:][:k*w.ld]
		}
		return func(l *local, from, to int) {
			for from < to {
				i := from / rows
				end := min(to, (i+1)*rows)
				l.gemm = kernel.Gemm{In: kernel.Matrix{Data: src[xs[i]*rows*x.ld:], Rows: rows, LD: x.ld}, Out: kernel.Matrix{Data: dst[i*rows*out.ld:], Rows: rows, LD: out.ld},
					W: &weights[ws[i]], From: from - i*rows, To: end - i*rows}
				p.set.Gemm(&l.gemm)
				from = end
			}
		}
	})
	return nil
}

// batches returns which matrix of an operand belongs to each of the result's, given the axes
// before those of a matrix; the operand's are broadcast.
func batches(result, operand []int) []int {
	operand = slices.Concat(slices.Repeat([]int{1}, len(result)-len(operand)), operand)
	index := make([]int, elements(result))
	for i := range index {
		r, step := i, 1
		for k := len(result) - 1; k >= 0; k-- {
			index[i] += r % result[k] % operand[k] * step
			r /= result[k]
			step *= operand[k]
		}
	}
	return index
}
