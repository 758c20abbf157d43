package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

var postprocessMasksOperator = operator{encode: encodes((*encoder).postprocessMasks), spelled: true}

// postprocessMasks writes the two Resizes and the Slice between them, for an image whose size is
// computed with, as segment_anything's ONNX model does.
func (e *encoder) postprocessMasks(n *graph.Node, op graph.PostprocessMasks) error {
	s, err := e.spell(n)
	if err != nil {
		return err
	}
	x := n.Inputs[0].Name
	shape := e.types[n.Inputs[0]].Shape
	if !shape[2].Known() || !shape[3].Known() {
		return fmt.Errorf("%w: masks of %v, expected a known height and width", ErrUnsupported, shape)
	}
	linear := [][]byte{str("coordinate_transformation_mode", "half_pixel"), str("mode", "linear")}
	square := s.do("Resize", []string{x, "", s.floats(1, 1, float32(op.Size)/float32(shape[2].Size), float32(op.Size)/float32(shape[3].Size))}, linear...)
	var crop, size string
	if len(n.Inputs) == 2 {
		image := n.Inputs[1].Name
		scale := s.two("Div", s.number(float32(op.Size)), s.do("ReduceMax", []string{image}, integer("keepdims", 1)))
		side := s.two("Add", s.two("Mul", image, scale), s.number(0.5))
		crop = s.do("Cast", []string{s.do("Floor", []string{side})}, integer("to", int(dataTypes[graph.Int64])))
		size = s.do("Cast", []string{image}, integer("to", int(dataTypes[graph.Int64])))
	} else {
		rows, columns := op.Crop()
		crop, size = s.ints(int64(rows), int64(columns)), s.ints(int64(op.Height), int64(op.Width))
	}
	square = s.do("Slice", []string{square, s.ints(0, 0), crop, s.ints(2, 3)})
	channels := s.slice(s.do("Shape", []string{x}), 0, 0, 2)
	s.as(n.Output, "Resize", []string{square, "", "", s.do("Concat", []string{channels, size}, integer("axis", 0))}, linear...)
	return nil
}
