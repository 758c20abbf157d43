package infer

import "github.com/repvit-go/repvit/graph"

var averagePoolLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.AveragePool) (operator, error) {
		return &windowOp{opBase: b, kernel: op.Kernel, strides: op.Strides, dilations: [2]int{1, 1}, pads: op.Pads,
			into: func(p *planner) func(dst, src []float32) { return p.set.AddInto },
			finish: func(dst []float32, pixels, padded int) {
				if op.CountIncludePad {
					pixels = padded
				}
				for i := range dst {
					dst[i] /= float32(pixels)
				}
			}}, nil
	}),
}
