package infer

import (
	"math"
	"unsafe"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var globalAveragePoolLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, _ graph.GlobalAveragePool) (operator, error) { return &poolOp{b}, nil }),
	integer: elementwise8(func(_ *lowering, b opBase, from []quantization, to quantization) operator {
		return &pool8Op{b, from[0], to}
	}),
	takes: (*lowering).takesElementwise,
}

// poolOp is GlobalAveragePool.
type poolOp struct{ opBase }

// poolRows is how many rows are added in float32 before the sum goes on in float64, so
// that the mean of a large image is as exact as that of a small one.
const poolRows = 128

func (o *poolOp) plan(p *planner) error {
	x := p.value(o.in[0], chansLayout)
	out := p.result(chansLayout)
	images, pixels := x.shape[0], x.shape[2]*x.shape[3]
	// Units are blocks of channels of an image.
	width := x.ld
	if p.threads > 1 {
		width = min(width, 4*kernel.Lanes)
	}
	blocks := (x.ld + width - 1) / width
	p.step(images*blocks, 4*pixels*width, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.matrix(x), e.data(out)
		return func(l *local, from, to int) {
			for u := from; u < to; u++ {
				n, c := u/blocks, u%blocks*width
				end := min(c+width, x.ld)
				p.mean(l, dst[n*x.ld:][:x.ld], src.Data[n*pixels*src.LD:], pixels, c, end)
			}
		}
	})
	return nil
}

// mean writes the mean of columns [from, to) of an image's pixels to dst[from:to].
func (p *planner) mean(l *local, dst, image []float32, pixels, from, to int) {
	buf := l.floats(3*len(dst) + kernel.Lanes)
	part := buf[:len(dst)]
	sums := doubles(buf[len(dst):])[:to-from]
	clear(sums)
	for r := 0; r < pixels; r += poolRows {
		rows := min(poolRows, pixels-r)
		p.set.SumColumns(part, kernel.Matrix{Data: image[r*len(dst):], Rows: rows, LD: len(dst)}, from, to)
		for i, v := range part[from:to] {
			sums[i] += float64(v)
		}
	}
	for i, s := range sums {
		dst[from+i] = float32(s / float64(pixels))
	}
}

// pool8Op is GlobalAveragePool of a quantized image.
type pool8Op struct {
	opBase
	from, to quantization
}

// pool8Rows is how many rows are added in 32 bits.
const pool8Rows = 1 << 16

func (o *pool8Op) plan(p *planner) error {
	x := p.integers(o.in[0], chansLayout)
	out := p.result8(chansLayout)
	pixels := x.shape[2] * x.shape[3]
	mean := float64(o.from.scale) / (float64(o.to.scale) * float64(pixels))
	scratch := 3*x.ld + kernel.Lanes
	p.scratch = max(p.scratch, scratch)
	set := p.program.weights.set8
	p.step(x.shape[0], 2*pixels*x.ld, 1, []*buffer{x, out}, func(e *exec) func(*local, int, int) {
		src, dst := e.matrix8(x), e.bytes(out)
		return func(l *local, from, to int) {
			buf := l.floats(scratch)
			part := unsafe.Slice((*int32)(unsafe.Pointer(unsafe.SliceData(buf))), x.ld)
			sums := doubles(buf[x.ld:])[:x.ld]
			for n := from; n < to; n++ {
				clear(sums)
				for r := 0; r < pixels; r += pool8Rows {
					rows := min(pool8Rows, pixels-r)
					set.SumColumns(part, kernel.Matrix8{Data: src.Data[(n*pixels+r)*src.LD:], Rows: rows, LD: src.LD})
					for c, s := range part {
						sums[c] += float64(s)
					}
				}
				for c, s := range sums {
					v := (s - float64(pixels)*float64(o.from.zero)) * mean
					dst[n*out.ld+c] = uint8(min(max(math.RoundToEven(v)+float64(o.to.zero), 0), 255))
				}
			}
		}
	})
	return nil
}
