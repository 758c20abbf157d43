package infer

import (
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

var hardSigmoidLowering = activationLowering(func(op graph.HardSigmoid) activation {
	return activation{kernel.Clamp(float32(op.Alpha), float32(op.Beta), 0, 1), func(x float64) float64 { return min(max(op.Alpha*x+op.Beta, 0), 1) }}
})
