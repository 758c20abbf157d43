package infer

import (
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var gemmLowering = opLowering{
	lower:   lowers((*lowering).gemm),
	integer: (*lowering).integerLinear,
	takes:   (*lowering).takesLinear,
	packs:   always,
}

func (l *lowering) gemm(b opBase, _ graph.Gemm) (operator, error) {
	w, bias, err := l.parameters(b.node)
	if err != nil {
		return nil, err
	}
	g := &gemmOp{opBase: b, layout: rowsLayout, w: l.w.get(formColumns, w, bias)}
	l.epilogue(&g.opBase, &g.act, &g.residual)
	return g, nil
}

// gemmOp is a product with a constant matrix: 1×1 convolution, Gemm or MatMul.
type gemmOp struct {
	opBase
	layout   layout // that of input and output
	w        *packed
	act      kernel.Activation
	residual *graph.Value
}

func (o *gemmOp) plan(p *planner) error {
	x := p.value(o.in[0], o.layout)
	var res *buffer
	if o.residual != nil {
		res = p.value(o.residual, o.layout)
	}
	// The output may overwrite the residual, but not the input, of which every row is read
	// once for each block of columns. They can be the same value.
	inPlace := res
	if res != nil && res.store == x.store || len(o.w.blocks) > 1 {
		inPlace = nil
	}
	out := p.result(o.layout, inPlace)
	use := []*buffer{x, res, out}
	k := o.w.blocks[0].K
	if len(o.w.blocks) == 1 {
		w := o.w.blocks[0]
		p.step(x.rows, k*w.N, p.rowsPerPart(x.rows, k*w.N), use, func(e *exec) func(*local, int, int) {
			g := kernel.Gemm{In: e.matrix(x), Out: e.matrix(out), Residual: e.matrix(res), W: w, Act: o.act}
			return func(l *local, from, to int) {
				l.gemm = g
				l.gemm.From, l.gemm.To = from, to
				p.set.Gemm(&l.gemm)
			}
		})
		return nil
	}
	p.step(len(o.w.blocks), x.rows*k*columnBlock, 1, use, func(e *exec) func(*local, int, int) {
		gs := make([]kernel.Gemm, len(o.w.blocks))
		for i, w := range o.w.blocks {
			gs[i] = kernel.Gemm{In: e.matrix(x), Out: shift(e.matrix(out), i*columnBlock), Residual: shift(e.matrix(res), i*columnBlock), W: w, Act: o.act, To: x.rows}
		}
		return func(l *local, from, to int) {
			for _, g := range gs[from:to] {
				l.gemm = g
				p.set.Gemm(&l.gemm)
			}
		}
	})
	return nil
}

// rowTile is what the rows that a thread works on are a multiple of, so that matrix
// kernels, which take some rows at a time, have few rests.
const rowTile = 14

// rowsPerPart returns what the rows that a thread works on are a multiple of for a product
// with the given number of weights. Every part reads all of them, so where they are too many
// for a core's second-level cache there is one part for each thread.
func (p *planner) rowsPerPart(rows, weights int) int {
	const many, enough = 1 << 17, 7 * rowTile
	if weights < many {
		return rowTile
	}
	return min(max((rows+p.threads-1)/p.threads, rowTile), enough)
}

// shift returns m without its first columns.
func shift(m kernel.Matrix, columns int) kernel.Matrix {
	if m.Data != nil {
		m.Data = m.Data[columns:]
	}
	return m
}
