package reference

import "github.com/repvit-go/repvit/graph"

// detections takes every class's boxes for itself, and of all of them those of the highest scores.
func (e *exec) detections(op graph.Detections, out array, in []array) {
	regions, scores, probabilities, deltas := in[0], in[1], in[2], in[3]
	classes := probabilities.shape[1] - 1
	shared := deltas.shape[1] == 4
	var found []candidate
	for c := range classes {
		if e.stopped() {
			return
		}
		var boxes []candidate
		for k := range regions.shape[0] {
			p := probabilities.row(k, classes+1)[c]
			if scores.v[k] < 0 || !(p > op.Score) {
				continue
			}
			d := deltas.row(k, 4)
			if !shared {
				d = deltas.row(k, 4*classes)[4*c:]
			}
			boxes = append(boxes, candidate{decoded(op.Deltas, [4]float64(regions.row(k, 4)), [4]float64(d[:4])), p, c})
		}
		falling(boxes)
		found = append(found, suppressed(boxes, op.IoU)...)
	}
	falling(found)
	for k, f := range found[:min(len(found), op.Most)] {
		copy(out.row(k, 5), append(f.box[:], f.score))
		e.further[0].v[k] = float64(f.class)
	}
}
