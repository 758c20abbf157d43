package infer

import "github.com/repvit-go/repvit/graph"

var maxLowering = pairLowering[graph.Max](func(x, y float32) float32 { return max(x, y) })
