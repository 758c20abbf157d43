package infer

import "github.com/repvit-go/repvit/graph"

var minLowering = pairLowering[graph.Min](func(x, y float32) float32 { return min(x, y) })
