package reference

import (
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// candidate is a box with a score.
type candidate struct {
	box   [4]float64 // x0, y0, x1, y1
	score float64
	class int
}

// proposals finds the boxes of every level and gives those of the highest scores.
func (e *exec) proposals(op graph.Proposals, out array, in []array) {
	var found []candidate
	for i, stride := range op.Strides {
		if e.stopped() {
			return
		}
		found = append(found, suppressed(level(op, float64(stride), in[i], in[len(op.Strides)+i]), op.IoU)...)
	}
	falling(found)
	scores := e.further[0].v
	for k := range scores {
		scores[k] = -1
	}
	for k, c := range found[:min(len(found), len(scores))] {
		copy(out.row(k, 4), c.box[:])
		scores[k] = c.score
	}
}

// level returns the boxes of one level, by falling score.
func level(op graph.Proposals, stride float64, scores, deltas array) []candidate {
	anchors, height, width := scores.shape[1], scores.shape[2], scores.shape[3]
	type place struct{ y, x, anchor int }
	at := func(c, y, x int) int { return (c*height+y)*width + x }
	var places []place
	for y := range height {
		for x := range width {
			for a := range anchors {
				places = append(places, place{y, x, a})
			}
		}
	}
	score := func(p place) float64 { return scores.v[at(p.anchor, p.y, p.x)] }
	slices.SortStableFunc(places, func(p, q place) int { return compare(score(q), score(p)) })
	var found []candidate
	for _, p := range places[:min(len(places), op.Before)] {
		root := math.Sqrt(op.Ratios[p.anchor])
		w, h := op.Scale*stride/root, op.Scale*stride*root
		anchor := [4]float64{float64(p.x)*stride - w/2, float64(p.y)*stride - h/2, float64(p.x)*stride + w/2, float64(p.y)*stride + h/2}
		var d [4]float64
		for k := range d {
			d[k] = deltas.v[at(4*p.anchor+k, p.y, p.x)]
		}
		if box := decoded(op.Deltas, anchor, d); box[2] > box[0] && box[3] > box[1] {
			found = append(found, candidate{box: box, score: score(p)})
		}
	}
	return found
}

// decoded returns the box that deltas make of a region.
func decoded(op graph.Deltas, region, d [4]float64) [4]float64 {
	w, h := region[2]-region[0], region[3]-region[1]
	x, y := region[0]+w/2+w*d[0]*op.Std[0], region[1]+h/2+h*d[1]*op.Std[1]
	limit := func(v float64) float64 { return min(max(v, -graph.MaxLogScale), graph.MaxLogScale) }
	w *= math.Exp(limit(d[2] * op.Std[2]))
	h *= math.Exp(limit(d[3] * op.Std[3]))
	inside := func(v float64, size int) float64 { return min(max(v, 0), float64(size)) }
	return [4]float64{inside(x-w/2, op.Width), inside(y-h/2, op.Height), inside(x+w/2, op.Width), inside(y+h/2, op.Height)}
}

// suppressed returns what non-maximum suppression leaves of boxes by falling score.
func suppressed(boxes []candidate, iou float64) []candidate {
	var kept []candidate
	for _, b := range boxes {
		if !slices.ContainsFunc(kept, func(k candidate) bool { return intersectionOverUnion(k.box, b.box) > iou }) {
			kept = append(kept, b)
		}
	}
	return kept
}

// intersectionOverUnion is 0 for boxes without extent.
func intersectionOverUnion(a, b [4]float64) float64 {
	area := func(x0, y0, x1, y1 float64) float64 { return max(x1-x0, 0) * max(y1-y0, 0) }
	both := area(max(a[0], b[0]), max(a[1], b[1]), min(a[2], b[2]), min(a[3], b[3]))
	if both == 0 {
		return 0
	}
	return both / (area(a[0], a[1], a[2], a[3]) + area(b[0], b[1], b[2], b[3]) - both)
}

// falling sorts by score; equal ones keep their order.
func falling(c []candidate) {
	slices.SortStableFunc(c, func(a, b candidate) int { return compare(b.score, a.score) })
}

func compare(a, b float64) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}
