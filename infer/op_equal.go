package infer

import "github.com/repvit-go/repvit/graph"

var equalLowering = pairLowering[graph.Equal](func(x, y float32) float32 { return truth(x == y) })
