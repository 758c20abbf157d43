package onnx

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
)

var roiAlignOperator = operator{encode: encodes((*encoder).roiAlign), spelled: true}

// roiAlign writes RoiAlign for each level of the regions that it has, and puts the results into the
// regions' order. It is mmdet's since opset 16, where coordinates became those of pixels' corners.
func (e *encoder) roiAlign(n *graph.Node, op graph.RoiAlign) error {
	if e.opset < 16 {
		return fmt.Errorf("%w: opset %d has no RoiAlign with coordinates of half pixels, expected 16 or later", ErrUnsupported, e.opset)
	}
	s, err := e.spell(n)
	if err != nil {
		return err
	}
	levels := len(op.Strides)
	regions := n.Inputs[levels].Name
	k := e.types[n.Inputs[levels]].Shape[0]
	if !k.Known() {
		return fmt.Errorf("%w: a number of regions that is not known", ErrUnsupported)
	}
	align := func(level int, boxes, image string) []string { return []string{n.Inputs[level].Name, boxes, image} }
	attributes := func(level int) [][]byte {
		return [][]byte{str("coordinate_transformation_mode", "half_pixel"), str("mode", "avg"), integer("output_height", op.Height), integer("output_width", op.Width),
			integer("sampling_ratio", 0), float("spatial_scale", 1/float64(op.Strides[level]))}
	}
	if levels == 1 {
		s.as(n.Output, "RoiAlign", align(0, regions, s.ints(make([]int64, k.Size)...)), attributes(0)...)
		return nil
	}
	extent := s.do("Max", []string{s.two("Sub", s.slice(regions, 1, 2, 4), s.slice(regions, 1, 0, 2)), s.number(0)})
	area := s.two("Mul", s.slice(extent, 1, 0, 1), s.slice(extent, 1, 1, 2))
	size := s.two("Add", s.do("Sqrt", []string{area}), s.number(float32(1e-6*op.Finest)))
	var above string // how many of the levels' limits it reaches
	for i := 1; i < levels; i++ {
		reached := s.do("Cast", []string{s.two("GreaterOrEqual", size, s.number(float32(op.Finest)*float32(int64(1)<<i)))}, integer("to", int(dataTypes[graph.Int64])))
		if i > 1 {
			reached = s.two("Add", above, reached)
		}
		above = reached
	}
	above = s.reshape(above, -1)
	var parts, places []string
	for i := range levels {
		which := s.reshape(s.do("NonZero", []string{s.two("Equal", above, s.ints(int64(i)))}), -1)
		boxes := s.do("Gather", []string{regions, which}, integer("axis", 0))
		image := s.two("Mul", which, s.ints(0))
		parts = append(parts, s.do("RoiAlign", align(i, boxes, image), attributes(i)...))
		places = append(places, which)
	}
	_, order := s.topK(s.do("Concat", places, integer("axis", 0)), k.Size, 0)
	s.as(n.Output, "Gather", []string{s.do("Concat", parts, integer("axis", 0)), order}, integer("axis", 0))
	return nil
}
