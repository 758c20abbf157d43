package infer

import (
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var hardSwishLowering = activationLowering(func(graph.HardSwish) activation {
	return activation{kernel.GatedClamp(1./6, 0.5, 0, 1), func(x float64) float64 { return x * min(max(x/6+0.5, 0), 1) }}
})
