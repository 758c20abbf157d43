package infer

import "github.com/repvit-go/repvit/graph"

var lessLowering = pairLowering[graph.Less](func(x, y float32) float32 { return truth(x < y) })
