package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var roiAlignLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.RoiAlign) (operator, error) {
		b.in = b.node.Inputs
		return &roiAlignOp{b, op}, nil
	}),
}

// roiAlignOp is RoiAlign. The mean of a bin's samples is a sum over its pixels, whose weights are
// products of one for the row and one for the column.
type roiAlignOp struct {
	opBase
	op graph.RoiAlign
}

func (o *roiAlignOp) plan(p *planner) error {
	levels := len(o.op.Strides)
	var maps []*buffer
	longest := 0
	for _, v := range o.in[:levels] {
		m := p.value(v, chansLayout)
		maps = append(maps, m)
		longest = max(longest, m.shape[2], m.shape[3])
	}
	regions := p.natural(o.in[levels])
	out := p.result(chansLayout)
	bins := [2]int{o.op.Height, o.op.Width}
	scratch := (bins[0] + bins[1]) * longest // the weights of the pixels of every bin along each axis
	p.scratch = max(p.scratch, scratch)
	if !p.spend(p.threads * scratch) {
		return nil
	}
	p.step(out.shape[0], 16*bins[0]*bins[1]*out.ld, 1, append(maps, regions, out), func(e *exec) func(*local, int, int) {
		boxes, dst := e.data(regions), e.data(out)
		data := make([][]float32, levels)
		for i, m := range maps {
			data[i] = e.data(m)
		}
		return func(l *local, from, to int) {
			buf := l.floats(scratch)
			rows, columns := buf[:bins[0]*longest], buf[bins[0]*longest:][:bins[1]*longest]
			for k := from; k < to; k++ {
				box := boxes[k*regions.ld:][:4]
				level := o.level(box)
				m, stride := maps[level], float32(o.op.Strides[level])
				y := binWeights(rows, box[1]/stride, box[3]/stride, m.shape[2], bins[0])
				x := binWeights(columns, box[0]/stride, box[2]/stride, m.shape[3], bins[1])
				region := dst[k*bins[0]*bins[1]*out.ld:][:bins[0]*bins[1]*out.ld]
				clear(region)
				for i := range bins[0] {
					weights := rows[i*m.shape[2]:][:m.shape[2]]
					for r := y[0]; r < y[1]; r++ {
						if weights[r] != 0 {
							o.row(p.set, region[i*bins[1]*out.ld:], data[level][r*m.shape[3]*m.ld:], m, columns, x, weights[r])
						}
					}
				}
			}
		}
	})
	return nil
}

// row adds to a line of bins a row of a map, times its weight.
func (o *roiAlignOp) row(set *kernel.Float32, dst, src []float32, m *buffer, columns []float32, span [2]int, weight float32) {
	for j := range o.op.Width {
		w := columns[j*m.shape[3]:][:m.shape[3]]
		for c := span[0]; c < span[1]; c++ {
			if w[c] != 0 {
				set.AddScaled(dst[j*m.ld:][:m.ld], src[c*m.ld:], weight*w[c])
			}
		}
	}
}

// level is the one that a region is cut out of.
func (o *roiAlignOp) level(box []float32) int {
	area := max(box[2]-box[0], 0) * max(box[3]-box[1], 0)
	size := math.Sqrt(float64(area)) + 1e-6*o.op.Finest
	level := 0
	for limit := 2 * o.op.Finest; level < len(o.op.Strides)-1 && size >= limit; limit *= 2 {
		level++
	}
	return level
}

// binWeights sets what each of n pixels along an axis counts for each bin of a region from start
// to end, and returns the first and the last pixel that count for any.
func binWeights(w []float32, start, end float32, n, bins int) [2]int {
	clear(w[:n*bins])
	size := float64(end) - float64(start)
	samples := math.Ceil(size / float64(bins))
	if !(samples > 0) {
		return [2]int{}
	}
	samples = min(samples, graph.MaxSamples)
	span := [2]int{n, 0}
	for i := range bins {
		bin := w[i*n:][:n]
		for s := range int(samples) {
			at := float64(start) - 0.5 + size/float64(bins)*(float64(i)+(float64(s)+0.5)/samples)
			if at < -1 || at > float64(n) {
				continue
			}
			at = min(max(at, 0), float64(n-1))
			k := int(at)
			next := min(k+1, n-1)
			part := at - float64(k)
			bin[k] += float32((1 - part) / samples)
			bin[next] += float32(part / samples)
			span = [2]int{min(span[0], k), max(span[1], next+1)}
		}
	}
	return [2]int{min(span[0], span[1]), span[1]}
}
