package graph

import "fmt"

// Detections finds objects in regions as mmdet's box head and its multiclass NMS do it. Its
// operands are K regions, K×4, and their scores, K, which say that a place is empty where they are
// below 0 (both as [Proposals] gives them), the classes' probabilities, K×(C+1), the last of which
// is the background's, and the boxes' deltas ([Deltas]), K×4C, or K×4 where all classes share them.
//
// A region is a detection of every class whose probability is above Score. From the highest
// probability on, a box suppresses those of its class that overlap it by more than IoU; the Most
// highest probabilities of all classes are given. Of equal ones the lower class and region comes
// first. The outputs are 1×Most×5, x0, y0, x1, y1 in pixels of the image and the probability, which
// falls, and the classes, 1×Most int64. Places for which there is no detection are zeros.
type Detections struct {
	Deltas
	Score float64 `json:"score"`
	IoU   float64 `json:"iou"`
	Most  int     `json:"most"`
}

// Kind implements [Op].
func (Detections) Kind() string { return "Detections" }

// Traits implements [Op].
func (Detections) Traits() Traits { return Coordinates | Decides }

func (o Detections) infer(in []Type) (Type, error) {
	if err := arity(in, 4, 4); err != nil {
		return Type{}, err
	}
	if err := sameFloats(in); err != nil {
		return Type{}, err
	}
	for _, err := range []error{o.check(), overlap(o.Most, o.IoU)} {
		if err != nil {
			return Type{}, err
		}
	}
	if !(o.Score >= 0 && o.Score <= 1) {
		return Type{}, fmt.Errorf("%w: a score of %v, want 0 to 1", ErrShape, o.Score)
	}
	regions, scores, classes, deltas := in[0].Shape, in[1].Shape, in[2].Shape, in[3].Shape
	if len(regions) != 2 || len(scores) != 1 || len(classes) != 2 || len(deltas) != 2 || regions[1] != Fixed(4) {
		return Type{}, fmt.Errorf("%w: operands of shape %v, %v, %v, %v, want K×4, K, K×(C+1), K×4C", ErrShape, regions, scores, classes, deltas)
	}
	for _, s := range []Shape{scores, classes, deltas} {
		if !s[0].Known() || s[0] != regions[0] {
			return Type{}, fmt.Errorf("%w: %v and %v regions, want a number that is known", ErrUnsupported, regions[0], s[0])
		}
	}
	if !classes[1].Known() || classes[1].Size < 2 || classes[1].Size > maxAxis || deltas[1] != Fixed(4) && deltas[1] != Fixed(4*(classes[1].Size-1)) {
		return Type{}, fmt.Errorf("%w: probabilities of shape %v and deltas of shape %v, want K×(C+1), K×4C", ErrShape, classes, deltas)
	}
	return Type{in[0].DType, FixedShape(1, o.Most, 5)}, nil
}

func (o Detections) further([]Type) []Type { return []Type{{Int64, FixedShape(1, o.Most)}} }

// reads counts comparisons of boxes with each other: a part of the classes has all regions.
func (o Detections) reads(in []Type) Shape { return Shape{in[0].Shape[0], in[2].Shape[1]} }
