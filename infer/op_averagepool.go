package infer

import "github.com/repvit-go/repvit/graph"

var averagePoolLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.AveragePool) (operator, error) {
		return &windowOp{opBase: b, kernel: op.Kernel, strides: op.Strides, pads: op.Pads,
			into: func(p *planner) func(dst, src []float32) { return p.set.AddInto },
			finish: func(dst []float32, pixels int) {
				if op.CountIncludePad {
					pixels = op.Kernel[0] * op.Kernel[1]
				}
				for i := range dst {
					dst[i] /= float32(pixels)
				}
			}}, nil
	}),
}
