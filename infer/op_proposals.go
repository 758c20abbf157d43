package infer

import (
	"cmp"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var proposalsLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.Proposals) (operator, error) {
		b.in = b.node.Inputs
		return &proposalsOp{b, op}, nil
	}),
}

// proposalsOp is Proposals.
type proposalsOp struct {
	opBase
	op graph.Proposals
}

// candidate is a box with a score, and which of those that have the same one it is.
type candidate struct {
	box   [4]float32
	score float32
	order int32
}

// byScore is by falling score.
func byScore(a, b candidate) int {
	return cmp.Or(cmp.Compare(b.score, a.score), cmp.Compare(a.order, b.order))
}

func (o *proposalsOp) plan(p *planner) error {
	levels := len(o.op.Strides)
	var maps []*buffer
	for _, v := range o.in {
		maps = append(maps, p.value(v, chansLayout))
	}
	out := p.result(rowsLayout)
	score := p.further()[0]
	most := 0 // of a level's scores
	for _, m := range maps[:levels] {
		most = max(most, elements(m.shape))
	}
	room := most + 2*levels*o.op.Before
	if !p.spend(8 * room) {
		return nil
	}
	p.step(1, 1<<20, 1, append(maps, out, score), func(e *exec) func(*local, int, int) {
		dst, scores := e.data(out), e.data(score)
		level, all := make([]candidate, 0, most), make([]candidate, 0, levels*o.op.Before)
		return func(*local, int, int) {
			all = all[:0]
			for i := range levels {
				level = o.level(level[:0], i, maps[i], e.data(maps[i]), maps[levels+i], e.data(maps[levels+i]))
				first := len(all)
				all = append(all, suppress(all[first:], level, o.op.IoU)...)
			}
			for i := range all {
				all[i].order = int32(i)
			}
			slices.SortFunc(all, byScore)
			clear(dst)
			clear(scores)
			for k := range out.rows {
				scores[k] = -1
				if k < len(all) {
					copy(dst[k*out.ld:], all[k].box[:])
					scores[k] = all[k].score
				}
			}
		}
	})
	return nil
}

// level returns the boxes of the highest scores of a level, by falling score, those without
// extent left out.
func (o *proposalsOp) level(all []candidate, i int, scores *buffer, s []float32, deltas *buffer, d []float32) []candidate {
	anchors := scores.cols
	for r := range scores.rows {
		for a, v := range s[r*scores.ld:][:anchors] {
			all = append(all, candidate{score: v, order: int32(r*anchors + a)})
		}
	}
	if len(all) > o.op.Before {
		highest(all, o.op.Before)
		all = all[:o.op.Before]
	}
	slices.SortFunc(all, byScore)
	stride, width := o.op.Strides[i], scores.shape[3]
	kept := all[:0]
	for _, c := range all {
		r, a := int(c.order)/anchors, int(c.order)%anchors
		root := math.Sqrt(o.op.Ratios[a])
		w, h := float32(o.op.Scale*float64(stride)/root), float32(o.op.Scale*float64(stride)*root)
		c.box = decodeBox(o.op.Deltas, float32(r%width*stride), float32(r/width*stride), w, h, d[r*deltas.ld+4*a:][:4])
		if c.box[2] > c.box[0] && c.box[3] > c.box[1] {
			kept = append(kept, c)
		}
	}
	return kept
}

// highest moves the n highest scores to the front, in any order.
func highest(c []candidate, n int) {
	for low, high := 0, len(c)-1; low < high; {
		pivot := c[low+(high-low)/2]
		i, j := low, high
		for i <= j {
			for byScore(c[i], pivot) < 0 {
				i++
			}
			for byScore(c[j], pivot) > 0 {
				j--
			}
			if i <= j {
				c[i], c[j] = c[j], c[i]
				i++
				j--
			}
		}
		switch {
		case n-1 <= j:
			high = j
		case n-1 >= i:
			low = i
		default:
			return
		}
	}
}

// decodeBox returns the box that deltas make of a region of a centre and a size.
func decodeBox(op graph.Deltas, x, y, w, h float32, d []float32) [4]float32 {
	limit := func(k int) float64 {
		return min(max(float64(d[k])*op.Std[k], -graph.MaxLogScale), graph.MaxLogScale)
	}
	x += w * (d[0] * float32(op.Std[0]))
	y += h * (d[1] * float32(op.Std[1]))
	w *= float32(math.Exp(limit(2)))
	h *= float32(math.Exp(limit(3)))
	inside := func(v float32, size int) float32 { return min(max(v, 0), float32(size)) }
	return [4]float32{inside(x-w/2, op.Width), inside(y-h/2, op.Height), inside(x+w/2, op.Width), inside(y+h/2, op.Height)}
}

// suppress appends what non-maximum suppression leaves of boxes by falling score.
func suppress(kept, boxes []candidate, iou float64) []candidate {
next:
	for _, b := range boxes {
		for i := range kept {
			if overlaps(&kept[i].box, &b.box, iou) {
				continue next
			}
		}
		kept = append(kept, b)
	}
	return kept
}

// overlaps reports whether the intersection of two boxes is more than a part of their union.
func overlaps(a, b *[4]float32, iou float64) bool {
	w, h := min(a[2], b[2])-max(a[0], b[0]), min(a[3], b[3])-max(a[1], b[1])
	if !(w > 0 && h > 0) {
		return false
	}
	both := float64(w) * float64(h)
	all := float64(a[2]-a[0])*float64(a[3]-a[1]) + float64(b[2]-b[0])*float64(b[3]-b[1]) - both
	return both > iou*all
}
