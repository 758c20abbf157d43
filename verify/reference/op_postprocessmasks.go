package reference

import "github.com/repvit-go/repvit/graph"

// postprocessMasks resizes masks to the square that the network saw, cuts off what was padded, and
// resizes the rest to the image.
func (e *exec) postprocessMasks(op graph.PostprocessMasks, out array, in []array) {
	op.Height, op.Width = out.shape[2], out.shape[3] // of a size that came with the input
	linear := graph.Resize{Mode: "linear", Coordinates: "half_pixel"}
	n, c := out.shape[0], out.shape[1]
	square := newArray(graph.FixedShape(n, c, op.Size, op.Size))
	e.resize(linear, square, in)
	rows, columns := op.Crop()
	image := newArray(graph.FixedShape(n, c, rows, columns))
	for plane := range n * c {
		for y := range rows {
			copy(image.row(plane*rows+y, columns), square.row(plane*op.Size+y, op.Size))
		}
	}
	e.resize(linear, out, []array{image})
}
