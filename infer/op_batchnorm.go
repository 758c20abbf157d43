package infer

import (
	"fmt"
	"math"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var batchNormLowering = opLowering{
	lower: lowers((*lowering).batchNorm),
	packs: always,
}

func (l *lowering) batchNorm(b opBase, _ graph.BatchNorm) (operator, error) {
	scale, shift, err := batchNorm(b.node)
	if err != nil {
		return nil, err
	}
	a := &affineOp{opBase: b, scale: scale, shift: shift}
	l.epilogue(&a.opBase, &a.act, nil)
	return a, nil
}

// affineOp multiplies and shifts every channel: BatchNorm, or a depthwise 1×1 convolution.
type affineOp struct {
	opBase
	scale, shift []float32 // padded
	act          kernel.Activation
}

// batchNorm returns what a BatchNorm multiplies each channel with and what it adds.
func batchNorm(n *graph.Node) (scale, shift []float32, err error) {
	var v [4][]float64
	for i, w := range n.Inputs[1:] {
		if w.Const == nil {
			return nil, nil, fmt.Errorf("%w: weight %q is computed from the input, expected a constant", ErrUnsupported, w.Name)
		}
		v[i] = w.Const.Float64s()
	}
	eps := n.Op.(graph.BatchNorm).Epsilon
	ld := kernel.Pad(len(v[0]), kernel.Lanes)
	scale, shift = kernel.Floats(ld), kernel.Floats(ld)
	for c, gamma := range v[0] {
		s := gamma / math.Sqrt(v[3][c]+eps)
		scale[c], shift[c] = float32(s), float32(v[1][c]-v[2][c]*s)
	}
	return scale, shift, nil
}

func (o *affineOp) plan(p *planner) error {
	l := natural(len(p.dims(o.out)))
	x := p.value(o.in[0], l)
	out := p.result(l, x)
	p.step(x.rows, 8*x.ld, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.data(x), e.data(out)
		ld := x.ld
		return func(_ *local, from, to int) {
			for r := from; r < to; r++ {
				affine(dst[r*ld:][:ld], src[r*ld:][:ld], o.scale, o.shift)
			}
			p.set.Apply(dst[from*ld:to*ld], o.act)
		}
	})
	return nil
}

func affine(dst, x, scale, shift []float32) {
	x, scale, shift = x[:len(dst)], scale[:len(dst)], shift[:len(dst)]
	for i := range dst {
		dst[i] = float32(x[i]*scale[i]) + shift[i]
	}
}

// pad copies v to a multiple of the kernels' vector length.
func pad(v []float32) []float32 {
	p := kernel.Floats(kernel.Pad(len(v), kernel.Lanes))
	copy(p, v)
	return p
}
