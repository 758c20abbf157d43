package infer

import (
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// arithmetic makes the operator of Add or Mul.
func (l *lowering) arithmetic(b opBase, mul bool) (operator, error) {
	if d := l.types[b.out].DType; !d.IsFloat() {
		return nil, fmt.Errorf("%w: arithmetic on %v, which can overflow, expected floats", ErrUnsupported, d)
	}
	b.in = b.node.Inputs
	return &binaryOp{opBase: b, mul: mul}, nil
}

// pairLowering is the lowering of a function of two operands that is exact for integers.
func pairLowering[T graph.Op](f func(x, y float32) float32) opLowering {
	return opLowering{lower: lowers(func(_ *lowering, b opBase, _ T) (operator, error) {
		b.in = b.node.Inputs
		return &binaryOp{opBase: b, f: f}, nil
	})}
}

// truth is 1 or 0.
func truth(b bool) float32 {
	if b {
		return 1
	}
	return 0
}

// pairwise makes the operator of an arithmetic function that has no kernel.
func (l *lowering) pairwise(b opBase, f func(x, y float32) float32) (operator, error) {
	o, err := l.arithmetic(b, false)
	if err == nil {
		o.(*binaryOp).f = f
	}
	return o, err
}

// binaryOp is Add, or Mul, or f.
type binaryOp struct {
	opBase
	mul bool
	f   func(x, y float32) float32
}

func (o *binaryOp) plan(p *planner) error {
	a, b := p.natural(o.in[0]), p.natural(o.in[1])
	shape := p.dims(o.out)
	if o.f != nil {
		return o.general(p, natural(len(shape)), a, b)
	}
	// The operand with the output's shape comes first and gives the layout.
	if !slices.Equal(a.shape, shape) && slices.Equal(b.shape, shape) {
		a, b = b, a
	}
	l := a.layout
	if !slices.Equal(a.shape, shape) {
		return o.general(p, natural(len(shape)), a, b)
	}
	gate := o.mul && l == chansLayout && b.layout == l && b.shape[0] == shape[0] && b.shape[1] == shape[1] && b.shape[2]*b.shape[3] == 1
	if !gate && (b.layout != l || !slices.Equal(b.shape, shape)) {
		return o.general(p, l, a, b)
	}
	candidates := []*buffer{a}
	if !gate && a.store != b.store {
		candidates = append(candidates, b)
	}
	if a.store != nil && a.store == b.store {
		candidates = nil // the same value twice
	}
	out := p.result(l, candidates...)
	if out.store == b.store {
		a, b = b, a
	}
	use := []*buffer{a, b, out}
	if gate {
		pixels := shape[2] * shape[3]
		p.step(a.rows, 4*a.ld, 1, use, func(e *exec) func(*local, int, int) {
			src, dst, gates := e.data(a), e.matrix(out), e.data(b)
			return func(_ *local, from, to int) {
				if out.store != a.store {
					copy(dst.Data[from*dst.LD:to*dst.LD], src[from*dst.LD:])
				}
				for from < to {
					n := from / pixels
					end := min(to, (n+1)*pixels)
					p.set.ScaleColumns(dst, gates[n*b.ld:][:b.ld], from, end)
					from = end
				}
			}
		})
		return nil
	}
	p.step(a.rows, 4*a.ld, 1, use, func(e *exec) func(*local, int, int) {
		src, other, dst := e.data(a), e.data(b), e.data(out)
		ld := a.ld
		return func(_ *local, from, to int) {
			x, y, z := src[from*ld:to*ld], other[from*ld:to*ld], dst[from*ld:to*ld]
			switch {
			case o.mul:
				for i := range z {
					z[i] = x[i] * y[i]
				}
			case out.store == a.store:
				p.set.AddInto(z, y)
			default:
				copy(z, x)
				p.set.AddInto(z, y)
			}
		}
	})
	return nil
}

func scale(x []float32, by float32) {
	for i := range x {
		x[i] *= by
	}
}

func shiftBy(x []float32, by float32) {
	for i := range x {
		x[i] += by
	}
}

// general is the operator with broadcasting, or between different layouts.
func (o *binaryOp) general(p *planner, l layout, a, b *buffer) error {
	out := p.result(l)
	p.step(outer(out), 8*out.cols, 1, []*buffer{a, b, out}, func(e *exec) func(*local, int, int) {
		x, y, z := e.data(a), e.data(b), e.data(out)
		wx, wy := newWalker(out, a), newWalker(out, b)
		return func(_ *local, begin, end int) {
			together := o.f == nil && wx.a == 1 && wx.c == 1 // as nearly always
			for r := begin; r < end; r++ {
				to, i := wx.row(r)
				_, j := wy.row(r)
				if together && wy.c <= 1 {
					row := z[to:][:wx.n]
					switch copy(row, x[i:]); {
					case wy.c == 0 && o.mul:
						scale(row, y[j])
					case wy.c == 0:
						shiftBy(row, y[j])
					case o.mul:
						for k, v := range y[j:][:wx.n] {
							row[k] *= v
						}
					default:
						p.set.AddInto(row, y[j:])
					}
					continue
				}
				for k := range wx.n {
					u, v := x[i+k*wx.c], y[j+k*wy.c]
					switch {
					case o.f != nil:
						u = o.f(u, v)
					case o.mul:
						u *= v
					default:
						u += v
					}
					z[to+k*wx.a] = u
				}
			}
			clearPadding(out, z, begin, end)
		}
	})
	return nil
}
