package onnx

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var proposalsOperator = operator{encode: encodes((*encoder).proposals), spelled: true}

// proposals writes mmdet's steps: the highest scores of a level, their boxes, NonMaxSuppression of
// the level, and then the highest scores of all levels. A row of score −1 is appended for every
// place, so that it is the same number always.
func (e *encoder) proposals(n *graph.Node, op graph.Proposals) error {
	s, err := e.spell(n)
	if err != nil {
		return err
	}
	k := e.types[n.Output].Shape[0].Size
	var boxes, scores []string
	for i, stride := range op.Strides {
		shape, _ := e.types[n.Inputs[i]].Shape.Ints()
		anchors, height, width := shape[1], shape[2], shape[3]
		count := anchors * height * width
		last := func(v *graph.Value) string {
			return s.do("Transpose", []string{v.Name}, ints("perm", 0, 2, 3, 1))
		}
		score, delta := s.reshape(last(n.Inputs[i]), -1), s.reshape(last(n.Inputs[len(op.Strides)+i]), -1, 4)
		centre, size := s.anchors(op, float64(stride), height, width)
		if count > op.Before {
			var index string
			score, index = s.topK(score, op.Before, 1)
			for _, x := range []*string{&delta, &centre, &size} {
				*x = s.do("Gather", []string{*x, index}, integer("axis", 0))
			}
		}
		box := s.decode(op.Deltas, centre, size, delta)
		extent := s.two("Sub", s.slice(box, 1, 2, 4), s.slice(box, 1, 0, 2))
		valid := s.reshape(s.two("Greater", s.two("Min", s.slice(extent, 1, 0, 1), s.slice(extent, 1, 1, 2)), s.number(0)), -1)
		score = s.do("Where", []string{valid, score, s.number(-1)})
		kept := s.suppress(s.reshape(box, 1, -1, 4), s.reshape(score, 1, 1, -1), min(count, op.Before), op.IoU, -0.5)
		index := s.reshape(s.slice(kept, 1, 2, 3), -1)
		boxes = append(boxes, s.do("Gather", []string{box, index}, integer("axis", 0)))
		scores = append(scores, s.do("Gather", []string{score, index}, integer("axis", 0)))
	}
	none := make([]float32, k)
	for i := range none {
		none[i] = -1
	}
	all := s.do("Concat", append(boxes, s.zeros(k, 4)), integer("axis", 0))
	values := s.do("Concat", append(scores, s.floats(none...)), integer("axis", 0))
	index := s.name()
	s.e.emitSeveral("TopK", []string{n.Further[0].Name, index}, []string{values, s.ints(int64(k))}, integer("axis", 0), integer("largest", 1), integer("sorted", 1))
	s.as(n.Output, "Gather", []string{all, index}, integer("axis", 0))
	return nil
}

// suppress adds NonMaxSuppression and returns what it selects, rows of batch, class and box.
func (s *spelling) suppress(boxes, scores string, most int, iou, score float64) string {
	return s.do("NonMaxSuppression", []string{boxes, scores, s.ints(int64(most)), s.floats(float32(iou)), s.floats(float32(score))}, integer("center_point_box", 0))
}

// anchors returns the centres and the sizes, x and y, of a level's anchors.
func (s *spelling) anchors(op graph.Proposals, stride float64, height, width int) (centre, size string) {
	a := len(op.Ratios)
	rows, columns, sizes := make([]float32, 2*height), make([]float32, 2*width), make([]float32, 2*a)
	for y := range height {
		rows[2*y+1] = float32(float64(y) * stride)
	}
	for x := range width {
		columns[2*x] = float32(float64(x) * stride)
	}
	for i, r := range op.Ratios {
		sizes[2*i], sizes[2*i+1] = float32(op.Scale*stride/math.Sqrt(r)), float32(op.Scale*stride*math.Sqrt(r))
	}
	grid := s.two("Add", s.constant(graph.Float32Tensor([]int{height, 1, 1, 2}, rows)), s.constant(graph.Float32Tensor([]int{1, width, 1, 2}, columns)))
	centre = s.reshape(s.two("Add", grid, s.zeros(1, 1, a, 2)), -1, 2)
	size = s.reshape(s.do("Expand", []string{s.constant(graph.Float32Tensor([]int{1, 1, a, 2}, sizes)), s.ints(int64(height), int64(width), int64(a), 2)}), -1, 2)
	return centre, size
}
