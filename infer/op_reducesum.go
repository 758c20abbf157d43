package infer

import "github.com/repvit-go/repvit/graph"

var reduceSumLowering = reduceLowering(func(op graph.ReduceSum) graph.Reduction { return graph.Reduction(op) }, total)
