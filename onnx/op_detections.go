package onnx

import "github.com/repvit-go/repvit/graph"

var detectionsOperator = operator{encode: encodes((*encoder).detections), spelled: true}

// detections writes the boxes of every class, NonMaxSuppression of each, and the highest scores of
// all. A row of zeros is appended for every place, so that it is the same number always.
func (e *encoder) detections(n *graph.Node, op graph.Detections) error {
	s, err := e.spell(n)
	if err != nil {
		return err
	}
	regions, valid, probabilities, deltas := n.Inputs[0].Name, n.Inputs[1].Name, n.Inputs[2].Name, n.Inputs[3].Name
	k, c := e.types[n.Inputs[2]].Shape[0].Size, e.types[n.Inputs[2]].Shape[1].Size-1
	boxed := e.types[n.Inputs[3]].Shape[1].Size / 4 // classes with boxes of their own, or 1
	score := s.do("Transpose", []string{s.slice(probabilities, 1, 0, int64(c))}, ints("perm", 1, 0))
	score = s.do("Where", []string{s.two("Less", valid, s.number(0)), s.number(-1), score})
	from, to := s.slice(regions, 1, 0, 2), s.slice(regions, 1, 2, 4)
	size := s.two("Sub", to, from)
	centre := s.two("Add", from, s.two("Mul", size, s.number(0.5)))
	box := s.decode(op.Deltas, s.reshape(centre, int64(k), 1, 2), s.reshape(size, int64(k), 1, 2), s.reshape(deltas, int64(k), int64(boxed), 4))
	box = s.do("Transpose", []string{box}, ints("perm", 1, 0, 2))
	// Boxes of a class's own make it a batch, with one class.
	batches, classes, column := int64(boxed), int64(1), int64(0)
	if boxed == 1 {
		classes, column = int64(c), 1
	}
	kept := s.suppress(box, s.reshape(score, batches, classes, int64(k)), k, op.IoU, op.Score)
	class, place := s.slice(kept, 1, column, column+1), s.slice(kept, 1, 2, 3)
	score = s.do("GatherND", []string{score, s.do("Concat", []string{class, place}, integer("axis", 1))}, integer("batch_dims", 0))
	box = s.do("GatherND", []string{box, s.do("Concat", []string{s.slice(kept, 1, 0, 1), place}, integer("axis", 1))}, integer("batch_dims", 0))
	box = s.do("Concat", []string{box, s.zeros(op.Most, 4)}, integer("axis", 0))
	class = s.do("Concat", []string{s.reshape(class, -1), s.ints(make([]int64, op.Most)...)}, integer("axis", 0))
	score = s.do("Concat", []string{score, s.zeros(op.Most)}, integer("axis", 0))
	score, index := s.topK(score, op.Most, 1)
	found := s.do("Concat", []string{s.do("Gather", []string{box, index}, integer("axis", 0)), s.reshape(score, -1, 1)}, integer("axis", 1))
	s.as(n.Output, "Reshape", []string{found, s.ints(1, int64(op.Most), 5)})
	s.as(n.Further[0], "Reshape", []string{s.do("Gather", []string{class, index}, integer("axis", 0)), s.ints(1, int64(op.Most))})
	return nil
}
