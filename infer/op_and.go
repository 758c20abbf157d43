package infer

import "github.com/repvit-go/repvit/graph"

var andLowering = pairLowering[graph.And](func(x, y float32) float32 { return x * y })
