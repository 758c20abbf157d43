package evaluate

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"

	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/finite"
	"github.com/repvit-go/repvit/mask"
)

// Figures of COCO's evaluation (pycocotools/cocoeval.py).
const (
	thresholds = 10  // of IoU, 0.50 to 0.95
	recalls    = 101 // at which precision is taken, 0 to 1
	mostFound  = 100 // of a category in an image, by score
)

// areas are the ranges of objects' sizes, in pixels: all, small, medium and large.
var areas = [...][2]float64{{0, 1e5 * 1e5}, {0, 32 * 32}, {32 * 32, 96 * 96}, {96 * 96, 1e5 * 1e5}}

var (
	iouThresholds    = spaced(0.5, 0.95, thresholds)
	recallThresholds = spaced(0, 1, recalls)
)

// spaced returns n numbers from first to last, rounded as NumPy's linspace rounds them.
func spaced(first, last float64, n int) []float64 {
	all := make([]float64, n)
	step := (last - first) / float64(n-1)
	for i := range all {
		all[i] = float64(float64(i)*step) + first
	}
	all[n-1] = last
	return all
}

// AveragePrecision collects what a network found in images, and holds it against annotations. The
// figures do not depend on the order in which images are added and parts merged.
type AveragePrecision struct {
	annotations *Annotations
	images      map[int64][]found
}

// found is what a network found, and should have, of one category in one image.
type found struct {
	label  int
	scores []float64 // falling
	// judged is of boxes and, where they are evaluated, masks.
	judged [2][len(areas)]judgement
}

// judgement is of objects within a range of sizes.
type judgement struct {
	positives int       // annotations that count
	marks     []verdict // of each detection
}

// verdict has a bit for each threshold of IoU.
type verdict struct{ matched, ignored uint16 }

// Kinds of overlap.
const (
	ofBoxes = iota
	ofMasks
)

// NewAveragePrecision returns the figures of no image. Masks are evaluated where the annotations
// were read with them.
func NewAveragePrecision(a *Annotations) *AveragePrecision {
	return &AveragePrecision{a, map[int64][]found{}}
}

// Add adds what a network found in an image. The error wraps [ErrAnnotations] for an image that is
// unknown or was added before, and [graph.ErrShape] for a detection that is none: a label that
// no category has, a score or box that is not finite, a box that ends before it begins, a mask of
// another size than the image's; then nothing is added.
func (p *AveragePrecision) Add(image int64, detections []detect.Detection) error {
	i, ok := slices.BinarySearchFunc(p.annotations.Images, image, func(m AnnotatedImage, id int64) int { return cmp.Compare(m.ID, id) })
	if !ok {
		return fmt.Errorf("%w: no image %d", ErrAnnotations, image)
	}
	if _, twice := p.images[image]; twice {
		return fmt.Errorf("%w: the image %d was added before", ErrAnnotations, image)
	}
	objects := p.annotations.objects[image]
	byLabel := map[int][]detect.Detection{}
	for label := range objects {
		byLabel[label] = nil
	}
	for k, d := range detections {
		if err := p.check(&d, p.annotations.Images[i]); err != nil {
			return fmt.Errorf("%w: detection %d: %w", graph.ErrShape, k, err)
		}
		byLabel[d.Class] = append(byLabel[d.Class], d)
	}
	all := []found{}
	for _, label := range slices.Sorted(maps.Keys(byLabel)) {
		ds, truth := byLabel[label], objects[label]
		slices.SortStableFunc(ds, func(a, b detect.Detection) int { return cmp.Compare(b.Score, a.Score) })
		ds = ds[:min(len(ds), mostFound)]
		f := found{label: label}
		for _, d := range ds {
			f.scores = append(f.scores, d.Score)
		}
		f.judged[ofBoxes] = judge(ds, truth, boxOverlap, func(d detect.Detection) float64 { return (d.Box[2] - d.Box[0]) * (d.Box[3] - d.Box[1]) })
		if p.annotations.masks {
			f.judged[ofMasks] = judge(ds, truth, func(d detect.Detection, o object) float64 { return mask.IoU(d.Mask, o.mask, o.crowd) },
				func(d detect.Detection) float64 { return float64(d.Mask.Area()) })
		}
		all = append(all, f)
	}
	p.images[image] = all
	return nil
}

func (p *AveragePrecision) check(d *detect.Detection, m AnnotatedImage) error {
	if d.Class < 0 || d.Class >= len(p.annotations.Categories) {
		return fmt.Errorf("found the class %d, expected one below %d, the number of categories", d.Class, len(p.annotations.Categories))
	}
	for _, v := range append(d.Box[:], d.Score) {
		if !(math.Abs(v) <= maxCoordinate) {
			return fmt.Errorf("found the box %v and the score %v, expected finite numbers of at most %d", d.Box, d.Score, maxCoordinate)
		}
	}
	if d.Box[2] < d.Box[0] || d.Box[3] < d.Box[1] {
		return fmt.Errorf("found the box %v, expected x0, y0, x1, y1", d.Box)
	}
	if h, w := d.Mask.Size(); p.annotations.masks && (h != m.Height || w != m.Width) {
		return fmt.Errorf("found a mask of %d×%d pixels, expected the image's %d×%d", h, w, m.Height, m.Width)
	}
	return nil
}

// boxOverlap is the shared area over the area of either, or, for a crowd, over the detection's.
// Boxes that only touch share none.
func boxOverlap(d detect.Detection, o object) float64 {
	w, h := d.Box[2]-d.Box[0], d.Box[3]-d.Box[1]
	sharedW := min(d.Box[0]+w, o.box[0]+o.box[2]) - max(d.Box[0], o.box[0])
	sharedH := min(d.Box[1]+h, o.box[1]+o.box[3]) - max(d.Box[1], o.box[1])
	if sharedW <= 0 || sharedH <= 0 {
		return 0
	}
	shared, own := float64(sharedW*sharedH), float64(w*h)
	if o.crowd {
		return shared / own
	}
	return shared / (own + float64(o.box[2]*o.box[3]) - shared)
}

// judge matches detections, by falling score, with the annotations of their category, once for
// each range of sizes and threshold: each detection takes the annotation that is free and overlaps
// most. Those that do not count, crowds and other sizes, are taken only where no other can be; a
// crowd is never used up. Detections that match them, and unmatched ones of other sizes, count for
// nothing.
func judge(ds []detect.Detection, truth []object, overlap func(detect.Detection, object) float64, area func(detect.Detection) float64) (all [len(areas)]judgement) {
	overlaps := make([][]float64, len(ds))
	sizes := make([]float64, len(ds))
	for i, d := range ds {
		sizes[i] = area(d)
		for _, o := range truth {
			overlaps[i] = append(overlaps[i], overlap(d, o))
		}
	}
	ignored, taken := make([]bool, len(truth)), make([]bool, len(truth))
	for r, within := range areas {
		outside := func(area float64) bool { return area < within[0] || area > within[1] }
		var order []int // those that count first
		for k, o := range truth {
			if ignored[k] = o.crowd || outside(o.area); !ignored[k] {
				order = append(order, k)
			}
		}
		j := judgement{positives: len(order), marks: make([]verdict, len(ds))}
		for k := range truth {
			if ignored[k] {
				order = append(order, k)
			}
		}
		for t, threshold := range iouThresholds {
			clear(taken)
			for i := range ds {
				best, match := min(threshold, 1-1e-10), -1
				for _, k := range order {
					if taken[k] && !truth[k].crowd {
						continue
					}
					if match >= 0 && !ignored[match] && ignored[k] {
						break
					}
					if overlaps[i][k] >= best {
						best, match = overlaps[i][k], k
					}
				}
				bit := uint16(1) << t
				if match >= 0 {
					taken[match] = true
					j.marks[i].matched |= bit
				}
				if match >= 0 && ignored[match] || match < 0 && outside(sizes[i]) {
					j.marks[i].ignored |= bit
				}
			}
		}
		all[r] = j
	}
	return all
}

// Merge adds the images of another, for the same annotations. The error wraps [ErrAnnotations] for
// other annotations, or an image that both have; then nothing is added.
func (p *AveragePrecision) Merge(b *AveragePrecision) error {
	if p.annotations != b.annotations {
		return fmt.Errorf("%w: detections for other annotations", ErrAnnotations)
	}
	for id := range b.images {
		if _, twice := p.images[id]; twice {
			return fmt.Errorf("%w: the image %d was added before", ErrAnnotations, id)
		}
	}
	maps.Copy(p.images, b.images)
	return nil
}

// APFigures are COCO's twelve. NaN stands for those of no object.
type APFigures struct {
	AP                         float64 // mean over IoU thresholds of 0.50 to 0.95, recalls and categories
	AP50, AP75                 float64 // at one threshold
	APSmall, APMedium, APLarge float64 // of objects below 32², up to 96² and above, in pixels
	AR1, AR10, AR100           float64 // recall with as many detections of a category in an image
	ARSmall, ARMedium, ARLarge float64
}

// CategoryAP is one category of a [DetectionResult]. NaN stands for those without objects.
type CategoryAP struct {
	Name        string
	Boxes       float64 // AP
	Masks       float64
	Annotations int // objects, without crowds
}

// DetectionResult is what [AveragePrecision] found.
type DetectionResult struct {
	Images     int      // without those left out
	Broken     []Broken // those left out
	Boxes      APFigures
	Masks      APFigures // all NaN where masks were not evaluated
	Categories []CategoryAP
	masks      bool
}

// Result returns the figures over the images that were added.
func (p *AveragePrecision) Result() *DetectionResult {
	r := &DetectionResult{Images: len(p.images), masks: p.annotations.masks, Categories: make([]CategoryAP, len(p.annotations.Categories))}
	for i, c := range p.annotations.Categories {
		r.Categories[i] = CategoryAP{Name: c.Name, Boxes: math.NaN(), Masks: math.NaN()}
	}
	byLabel := make([][]found, len(r.Categories))
	for _, id := range slices.Sorted(maps.Keys(p.images)) { // equal scores stand in the order of images
		for _, f := range p.images[id] {
			byLabel[f.label] = append(byLabel[f.label], f)
			r.Categories[f.label].Annotations += f.judged[ofBoxes][0].positives
		}
	}
	r.Boxes = figures(byLabel, ofBoxes, func(label int, ap float64) { r.Categories[label].Boxes = ap })
	none := math.NaN()
	r.Masks = APFigures{none, none, none, none, none, none, none, none, none, none, none, none}
	if r.masks {
		r.Masks = figures(byLabel, ofMasks, func(label int, ap float64) { r.Categories[label].Masks = ap })
	}
	return r
}

// figures computes the twelve, and tells each category's AP.
func figures(byLabel [][]found, kind int, category func(label int, ap float64)) APFigures {
	// Sums over categories, by range of sizes and number of detections.
	type sum struct{ ap, ap50, ap75, ar, n float64 }
	over := func(area, most int) (s sum) {
		for label, fs := range byLabel {
			c, ok := curves(fs, kind, area, most)
			if !ok {
				continue
			}
			s.n++
			ap, ar := 0.0, 0.0
			for t := range thresholds {
				ap += c.precision[t]
				ar += c.recall[t]
			}
			s.ap += ap / thresholds
			s.ar += ar / thresholds
			s.ap50 += c.precision[0]
			s.ap75 += c.precision[5]
			if area == 0 && most == mostFound {
				category(label, ap/thresholds)
			}
		}
		return s
	}
	all, small, medium, large := over(0, mostFound), over(1, mostFound), over(2, mostFound), over(3, mostFound)
	one, ten := over(0, 1), over(0, 10)
	return APFigures{ // 0/0 is NaN
		AP: all.ap / all.n, AP50: all.ap50 / all.n, AP75: all.ap75 / all.n,
		APSmall: small.ap / small.n, APMedium: medium.ap / medium.n, APLarge: large.ap / large.n,
		AR1: one.ar / one.n, AR10: ten.ar / ten.n, AR100: all.ar / all.n,
		ARSmall: small.ar / small.n, ARMedium: medium.ar / medium.n, ARLarge: large.ar / large.n,
	}
}

// curve is a category's mean precision over recalls, and its largest recall, by threshold.
type curve struct{ precision, recall [thresholds]float64 }

// curves takes the first most detections of each image. It is not ok where no object counts.
func curves(fs []found, kind, area, most int) (c curve, ok bool) {
	type scored struct {
		score float64
		verdict
	}
	var all []scored
	positives := 0
	for _, f := range fs {
		j := f.judged[kind][area]
		positives += j.positives
		for i, m := range j.marks[:min(len(j.marks), most)] {
			all = append(all, scored{f.scores[i], m})
		}
	}
	if positives == 0 {
		return c, false
	}
	slices.SortStableFunc(all, func(a, b scored) int { return cmp.Compare(b.score, a.score) })
	recall, precision := make([]float64, len(all)), make([]float64, len(all))
	for t := range thresholds {
		right, wrong := 0.0, 0.0
		for i, d := range all {
			if d.ignored>>t&1 == 0 {
				if d.matched>>t&1 == 1 {
					right++
				} else {
					wrong++
				}
			}
			recall[i] = right / float64(positives)
			precision[i] = right / (right + wrong + 0x1p-52)
		}
		if len(all) > 0 {
			c.recall[t] = recall[len(all)-1]
		}
		for i := len(all) - 1; i > 0; i-- {
			precision[i-1] = max(precision[i-1], precision[i])
		}
		sum := 0.0
		for _, want := range recallThresholds {
			if i := sort.SearchFloat64s(recall, want); i < len(all) {
				sum += precision[i]
			}
		}
		c.precision[t] = sum / recalls
	}
	return c, true
}

// MarshalJSON encodes r as the commands print it: figures of no object are null, and those of
// masks are not there where masks were not evaluated.
func (r DetectionResult) MarshalJSON() ([]byte, error) {
	type category struct {
		Class       int      `json:"class"`
		Name        string   `json:"name"`
		Annotations int      `json:"annotations"`
		Boxes       *float64 `json:"bbox_ap"`
		Masks       any      `json:"segm_ap,omitempty"`
	}
	var categories []category
	for i, c := range r.Categories {
		told := category{i, c.Name, c.Annotations, finite.OrNil(c.Boxes), nil}
		if r.masks {
			told.Masks = finite.OrNil(c.Masks)
		}
		categories = append(categories, told)
	}
	all := map[string]any{"images": r.Images, "classes": categories}
	if len(r.Broken) > 0 {
		all["broken"] = brokenOrNil(r.Broken)
	}
	put := func(kind string, f APFigures) {
		for name, v := range map[string]float64{
			"ap": f.AP, "ap50": f.AP50, "ap75": f.AP75, "ap_small": f.APSmall, "ap_medium": f.APMedium, "ap_large": f.APLarge,
			"ar1": f.AR1, "ar10": f.AR10, "ar100": f.AR100, "ar_small": f.ARSmall, "ar_medium": f.ARMedium, "ar_large": f.ARLarge,
		} {
			all[kind+"_"+name] = finite.OrNil(v)
		}
	}
	put("bbox", r.Boxes)
	if r.masks {
		put("segm", r.Masks)
	}
	return json.Marshal(all)
}
