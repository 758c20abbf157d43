package infer

import (
	"slices"

	"github.com/repvit-go/repvit/graph"
)

var sliceLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.Slice) (operator, error) {
		return &selectOp{opBase: b, indexes: func(axis, n, m int) []int {
			k := slices.Index(op.Axes, axis)
			if k < 0 {
				return nil
			}
			first, _, step := op.Range(k, n)
			list := make([]int, m)
			for i := range list {
				list[i] = first + i*step
			}
			return list
		}}, nil
	}),
}
