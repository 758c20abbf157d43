package infer

import (
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// mapProductOp is the product of matrices, N×M×C, with feature maps N×C×H×W, whose pixels are the
// columns: M sums of the channels of every pixel, N×M×H×W. In the graph it is MatMul between two
// Reshapes; here it is a 1×1 convolution with computed weights, because channels lie together.
type mapProductOp struct{ opBase }

// findMapProducts finds the nodes that are such a product, which the last of them then is.
func (l *lowering) findMapProducts() {
	for _, n := range l.g.Nodes {
		if _, ok := n.Op.(graph.MatMul); !ok || l.fused[n] {
			continue
		}
		i, computed := l.index[n.Inputs[1]]
		back := l.next(n.Output)
		if !computed || l.next(n.Inputs[1]) == nil || back == nil || l.types[n.Output].DType != graph.Float32 {
			continue
		}
		flat := l.g.Nodes[i]
		f, ok1 := flat.Op.(graph.Reshape)
		b, ok2 := back.Op.(graph.Reshape)
		x, y := l.types[flat.Inputs[0]].Shape, l.types[n.Inputs[0]].Shape
		if !ok1 || !ok2 || len(x) != 4 || len(y) != 3 || !y[1].Known() || !x[1].Known() || !x[2].Known() || !x[3].Known() {
			continue
		}
		c, h, w := x[1].Size, x[2].Size, x[3].Size
		if !slices.Equal(f.Shape, []int{0, c, h * w}) || !slices.Equal(b.Shape, []int{0, y[1].Size, h, w}) {
			continue
		}
		l.fused[flat], l.fused[n] = true, true
		l.last[back] = &mapProductOp{opBase{kind: "MatMul", node: n, in: []*graph.Value{n.Inputs[0], flat.Inputs[0]}, out: back.Output, nodes: []*graph.Node{flat, n, back}}}
	}
}

func (o *mapProductOp) plan(p *planner) error {
	y, x := p.value(o.in[0], rowsLayout), p.value(o.in[1], chansLayout)
	out := p.result(chansLayout)
	n, channels, pixels := y.shape[1], x.shape[1], x.shape[2]*x.shape[3]
	size := channels * out.ld
	bias := kernel.Floats(out.ld)
	packed := newBuffer([]int{y.shape[0], size}, rowsLayout)
	p.allocate(packed)
	p.scratch = max(p.scratch, size)
	p.step(y.shape[0], size, 1, []*buffer{y, packed}, func(e *exec) func(*local, int, int) {
		return func(l *local, from, to int) {
			src, dst, m := e.data(y), e.data(packed), l.floats(size)
			for b := from; b < to; b++ {
				clear(m)
				for i := range n {
					for c, v := range src[(b*n+i)*y.ld:][:channels] {
						m[c*out.ld+i] = v
					}
				}
				l.packed[0] = kernel.Packed{K: channels, N: n, B: dst[b*packed.ld:][:size], Bias: bias}
				p.set.PackRows(&l.packed[0], kernel.Matrix{Data: m[:size], Rows: channels, LD: out.ld})
			}
		}
	})
	p.step(out.rows, channels*out.ld, rowTile, []*buffer{x, packed, out}, func(e *exec) func(*local, int, int) {
		return func(l *local, from, to int) {
			src, dst, weights := e.data(x), e.data(out), e.data(packed)
			for from < to {
				b := from / pixels
				end := min(to, (b+1)*pixels)
				l.packed[0] = kernel.Packed{K: channels, N: n, B: weights[b%y.shape[0]*packed.ld:][:size], Bias: bias}
				l.gemm = kernel.Gemm{In: kernel.Matrix{Data: src[(b%x.shape[0]*pixels+from%pixels)*x.ld:], Rows: end - from, LD: x.ld}, Out: kernel.Matrix{Data: dst[from*out.ld:], Rows: end - from, LD: out.ld}, W: &l.packed[0], To: end - from}
				p.set.Gemm(&l.gemm)
				from = end
			}
		}
	})
	return nil
}
