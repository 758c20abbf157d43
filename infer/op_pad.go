package infer

import "github.com/repvit-go/repvit/graph"

var padLowering = opLowering{
	lower: lowers(func(_ *lowering, b opBase, op graph.Pad) (operator, error) {
		return &selectOp{opBase: b, fill: float32(op.Value), indexes: func(axis, n, m int) []int {
			if n == m {
				return nil
			}
			list := make([]int, m)
			for k := range list {
				i := k - op.Pads[axis]
				switch inside := i >= 0 && i < n; {
				case inside:
				case op.Mode == "edge":
					i = min(max(i, 0), n-1)
				case op.Mode == "constant":
					i = -1
				case i < 0:
					i = -i
				default:
					i = 2*(n-1) - i
				}
				list[k] = i
			}
			return list
		}}, nil
	}),
}
