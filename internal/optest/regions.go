package optest

import "github.com/repvit-go/repvit/graph"

// regions are the cases of operators that detectors and promptable segmenters use. Their input has one shape.
var regions = []row{
	{name: "one channel for each image", op: graph.GatherND{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.GatherND{BatchDims: 1}, x, b.highest(b.vector(x)))
	}},
	{name: "one element for each vector", op: graph.GatherND{}, tolerance: 1e-6, build: func(b *builder, x *graph.Value) *graph.Value {
		v := b.vector(x)
		return b.add(graph.GatherND{BatchDims: 1}, v, b.highest(v))
	}},
	{name: "regions of one map", op: graph.RoiAlign{}, tolerance: 2e-6, opset: 16, shape: []int{1, Channels, 16, 21}, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.RoiAlign{Height: 3, Width: 5, Strides: []int{4}}, x, b.boxes(
			0, 0, 84, 64, // all of it
			3.5, 7.25, 30, 20, // four samples a bin
			40, 40, 41, 42, // a part of a pixel
			-9, -3, 20, 100, // beyond the borders
			84, 64, 100, 80, // outside
			200, 200, 260, 260, // far outside
			12, 8, 12, 30, // without width
			0, 0, 0, 0))
	}},
	{name: "regions of a pyramid", op: graph.RoiAlign{}, tolerance: 2e-6, opset: 16, shape: []int{1, Channels, 16, 21}, build: func(b *builder, x *graph.Value) *graph.Value {
		y := b.conv(x, Channels, Channels, 3, 2, 1)
		z := b.conv(y, Channels, Channels, 3, 2, 1)
		return b.add(graph.RoiAlign{Height: 7, Width: 7, Strides: []int{4, 8, 16}, Finest: 10}, x, y, z, b.boxes(
			60, 10, 80, 30, // the first of the second level
			60, 10, 79.9, 29.9,
			0, 0, 84, 64, // the third level
			10, 10, 15, 12,
			30, 5, 60, 17.5,
			2, 2, 2, 2,
			0, 20, 80, 22))
	}},
	{name: "proposals", op: graph.Proposals{}, tolerance: 2e-6, opset: 13, shape: []int{1, Channels, 9, 14}, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.proposals(x, graph.Proposals{Before: 1000, Most: 1000, IoU: 0.7})
	}},
	{name: "the best proposals", op: graph.Proposals{}, tolerance: 2e-6, opset: 13, shape: []int{1, Channels, 9, 14}, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.proposals(x, graph.Proposals{Before: 90, Most: 25, IoU: 0.4})
	}},
	{name: "detections", op: graph.Detections{}, tolerance: 4e-6, opset: 13, shape: []int{1, Channels, 6, 5}, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.detections(x, 4, graph.Detections{Score: 0.05, IoU: 0.3, Most: 20})
	}},
	{name: "the best detections of shared boxes", op: graph.Detections{}, tolerance: 4e-6, opset: 13, shape: []int{1, Channels, 6, 5}, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.detections(x, 1, graph.Detections{Score: 0.1, IoU: 0.5, Most: 5})
	}},
	{name: "no detections", op: graph.Detections{}, tolerance: 2e-6, opset: 13, shape: []int{1, Channels, 6, 5}, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.detections(x, 4, graph.Detections{Score: 1, IoU: 0.5, Most: 3})
	}},
	{name: "masks of a wide image", op: graph.PostprocessMasks{}, tolerance: 2e-6, opset: 13, shape: []int{2, Channels, 6, 6}, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.PostprocessMasks{Size: 24, Height: 17, Width: 41}, x)
	}},
	{name: "masks of a small image, of uneven maps", op: graph.PostprocessMasks{}, tolerance: 2e-6, opset: 13, shape: []int{1, Channels, 5, 8}, build: func(b *builder, x *graph.Value) *graph.Value {
		return b.add(graph.PostprocessMasks{Size: 20, Height: 9, Width: 4}, b.conv(x, Channels, 3, 1, 1, 1))
	}},
}

// highest is the index of the highest element of every vector, N×1.
func (b *builder) highest(v *graph.Value) *graph.Value {
	return b.AddSeveral([]string{v.Name + ".top", v.Name + ".index"}, graph.TopK{K: 1, Axis: -1}, v)[1]
}

// boxes is a constant of regions.
func (b *builder) boxes(v ...float32) *graph.Value {
	return b.constant(graph.Float32Tensor([]int{len(v) / 4, 4}, v))
}

// proposals finds regions on two levels and adds scores and boxes up, 4×K.
func (b *builder) proposals(x *graph.Value, op graph.Proposals) *graph.Value {
	op.Deltas = graph.Deltas{Std: [4]float64{1, 1, 1, 1}, Height: 34, Width: 55}
	op.Strides, op.Scale, op.Ratios = []int{4, 8}, 3, []float64{0.5, 1, 2}
	var scores, deltas []*graph.Value
	for range op.Strides {
		scores = append(scores, b.add(graph.Sigmoid{}, b.conv(x, Channels, 3, 1, 1, 1)))
		deltas = append(deltas, b.conv(x, Channels, 12, 1, 1, 1))
		x = b.conv(x, Channels, Channels, 3, 2, 1)
	}
	found := b.AddSeveral([]string{"regions", "scores"}, op, append(scores, deltas...)...)
	return b.add(graph.Add{}, b.add(graph.Transpose{Perm: []int{1, 0}}, found[0]), found[1])
}

// detections finds objects of four classes in twelve regions and adds boxes, probabilities and
// classes up, 5×1×K.
func (b *builder) detections(x *graph.Value, own int, op graph.Detections) *graph.Value {
	op.Deltas = graph.Deltas{Std: [4]float64{0.1, 0.1, 0.2, 0.2}, Height: 40, Width: 40}
	column := b.add(graph.Transpose{Perm: []int{1, 0}}, b.vector(x))
	rows := func(n int) *graph.Value {
		return b.add(graph.Add{}, b.add(graph.MatMul{}, column, b.normal(3, 1, n)), b.normal(1, Channels, n))
	}
	regions := b.boxes(
		0, 0, 20, 20, 1, 1, 20, 20, 0, 2, 18, 21, 15, 15, 38, 38, 16, 15, 37, 38, 30, 0, 40, 12,
		29, 1, 40, 11, 5, 25, 14, 39, 5, 24, 15, 38, 0, 0, 0, 0, 10, 10, 30, 30, 11, 10, 30, 31)
	scores := b.constant(graph.Float32Tensor([]int{Channels}, []float32{0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, -1, 0, 0.05}))
	found := b.AddSeveral([]string{"dets", "labels"}, op, regions, scores, b.add(graph.Softmax{}, rows(5)), rows(4*own))
	dets := b.add(graph.Transpose{Perm: []int{2, 0, 1}}, found[0])
	return b.add(graph.Add{}, dets, b.add(graph.Cast{To: graph.Float32}, found[1]))
}
