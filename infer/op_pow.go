package infer

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

var powLowering = opLowering{lower: lowers(func(l *lowering, b opBase, _ graph.Pow) (operator, error) {
	if y := b.node.Inputs[1].Const; y != nil && y.Len() == 1 && y.Float32s()[0] == 2 {
		return l.pairwise(b, func(x, _ float32) float32 { return x * x })
	}
	return l.pairwise(b, func(x, y float32) float32 { return float32(math.Pow(float64(x), float64(y))) })
})}
