package infer

import "github.com/repvit-go/repvit/graph"

var divLowering = opLowering{lower: lowers(func(l *lowering, b opBase, _ graph.Div) (operator, error) {
	return l.pairwise(b, func(x, y float32) float32 { return x / y })
})}
