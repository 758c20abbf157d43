package infer

import (
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var detectionsLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.Detections) (operator, error) {
		b.in = b.node.Inputs
		return &detectionsOp{b, op}, nil
	}),
}

// detectionsOp is Detections.
type detectionsOp struct {
	opBase
	op graph.Detections
}

func (o *detectionsOp) plan(p *planner) error {
	var in []*buffer
	for _, v := range o.in {
		in = append(in, p.natural(v))
	}
	regions, scores, probabilities, deltas := in[0], in[1], in[2], in[3]
	out := p.result(rowsLayout)
	labels := p.further()[0]
	classes := probabilities.cols - 1
	p.step(1, 1<<20, 1, append(in, out, labels), func(e *exec) func(*local, int, int) {
		dst, which := e.data(out), e.data(labels)
		boxes, prob, d, valid := e.data(regions), e.data(probabilities), e.data(deltas), e.data(scores)
		room := make([]candidate, 0, regions.rows)
		kept, found := make([]candidate, 0, regions.rows), make([]candidate, 0, 2*o.op.Most+regions.rows)
		return func(*local, int, int) {
			found = found[:0]
			for c := range classes {
				room = room[:0]
				for k := range regions.rows {
					v := prob[k*probabilities.ld+c]
					if valid[k] < 0 || !(float64(v) > o.op.Score) {
						continue
					}
					row := d[k*deltas.ld:]
					if deltas.cols > 4 {
						row = row[4*c:]
					}
					b := boxes[k*regions.ld:][:4]
					w, h := b[2]-b[0], b[3]-b[1]
					room = append(room, candidate{box: decodeBox(o.op.Deltas, b[0]+w/2, b[1]+h/2, w, h, row[:4]), score: v, order: int32(k)})
				}
				slices.SortFunc(room, byScore)
				kept = suppress(kept[:0], room, o.op.IoU)
				for i := range kept {
					kept[i].order = int32(c) // equal scores of one class are in their order already
				}
				found = append(found, kept...)
				if len(found) > 2*o.op.Most { // what comes later can only push out the last
					slices.SortStableFunc(found, byScore)
					found = found[:o.op.Most]
				}
			}
			slices.SortStableFunc(found, byScore)
			clear(dst)
			clear(which)
			for k, c := range found[:min(len(found), o.op.Most)] {
				copy(dst[k*out.ld:], c.box[:])
				dst[k*out.ld+4] = c.score
				which[k] = float32(c.order)
			}
		}
	})
	return nil
}
