package infer

import "github.com/repvit-go/repvit/graph"

var greaterLowering = pairLowering[graph.Greater](func(x, y float32) float32 { return truth(x > y) })
