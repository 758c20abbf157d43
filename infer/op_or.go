package infer

import "github.com/repvit-go/repvit/graph"

var orLowering = pairLowering[graph.Or](func(x, y float32) float32 { return max(x, y) })
