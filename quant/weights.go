package quant

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// integers is a weight in int8, symmetric, with a scale for each output channel.
type integers struct {
	values []int8
	scales []float32
}

// quantizeWeight rounds the weight of a convolution or fully connected layer. The scales
// are those with the least error of each output channel, the input channels weighted by
// power, their mean square. A scale is never so small that the bias does not fit an int32
// at the given input scale.
func quantizeWeight(node *graph.Node, power []float64, input float32) integers {
	w := node.Inputs[1].Const
	rows, per := w.Shape[0], w.Len()/w.Shape[0]
	taps := per / w.Shape[1]
	v := w.Float32s()
	var bias []float32
	if len(node.Inputs) == 3 {
		bias = node.Inputs[2].Const.Float32s()
	}
	q := integers{make([]int8, len(v)), make([]float32, rows)}
	weight := make([]float64, per)
	for o := range rows {
		for i := range weight {
			c := i / taps
			if depthwise(node) {
				c = o
			}
			weight[i] = power[c]
		}
		least := 1e-20
		if bias != nil {
			least = max(least, math.Abs(float64(bias[o]))/(1<<30)/float64(input))
		}
		q.scales[o] = roundRow(q.values[o*per:][:per], v[o*per:][:per], weight, least)
	}
	return q
}

// roundRow finds the scale with the least weighted square error, rounds, and returns it.
func roundRow(to []int8, from []float32, weight []float64, least float64) float32 {
	top := 0.0
	for _, x := range from {
		top = max(top, math.Abs(float64(x)))
	}
	best, err := float32(max(top/127, least)), math.Inf(1)
	if top > 0 {
		for i := range 33 {
			s := float32(max(top/127*(1-float64(i)/80), least))
			e := 0.0
			for j, x := range from {
				d := float64(round8(x, s))*float64(s) - float64(x)
				e += d * d * weight[j]
			}
			if e < err {
				best, err = s, e
			}
		}
	}
	for j, x := range from {
		to[j] = round8(x, best)
	}
	return best
}

func round8(x, scale float32) int8 {
	return int8(min(max(math.RoundToEven(float64(x)/float64(scale)), -127), 127))
}

// biasOf returns the layer's bias, corrected by what rounding the weight adds to the mean
// of each output channel: Σ (w−ŵ)·E[x] (arXiv 1906.04721, section 4.2).
func biasOf(node *graph.Node, q integers, mean []float64) []float64 {
	w := node.Inputs[1].Const
	rows, per := w.Shape[0], w.Len()/w.Shape[0]
	taps := per / w.Shape[1]
	bias := make([]float64, rows)
	if len(node.Inputs) == 3 {
		for o, x := range node.Inputs[2].Const.Float32s() {
			bias[o] = float64(x)
		}
	}
	v := w.Float32s()
	for o := range rows {
		for i := range per {
			c := i / taps
			if depthwise(node) {
				c = o
			}
			bias[o] += (float64(v[o*per+i]) - float64(q.values[o*per+i])*float64(q.scales[o])) * mean[c]
		}
	}
	return bias
}
