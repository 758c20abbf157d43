package quant

import (
	"context"
	"fmt"
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

// add appends what a weight's integers stand for.
func (q integers) add(g *graph.Graph, w *graph.Value) *graph.Value {
	rows := []int{len(q.scales)}
	return g.Add(w.Name+".dequantized", graph.DequantizeLinear{}, graph.Weight(w.Name, graph.Int8Tensor(w.Const.Shape, q.values)),
		graph.Weight(w.Name+".scale", graph.Float32Tensor(rows, q.scales)), graph.Weight(w.Name+".zero_point", graph.Int8Tensor(rows, make([]int8, rows[0]))))
}

// weightsAlone returns the network with weights of int8, and measures what that costs.
func (q *quantization) weightsAlone(ctx context.Context, deploy *graph.Graph, inputs []*graph.Tensor, size [2]int) (*graph.Graph, error) {
	g := anyBatch(deploy)
	float := g.Clone()
	rounded := map[*graph.Value]*graph.Value{}
	nodes := g.Nodes
	g.Nodes = nil
	for _, n := range nodes {
		if weighted(n) {
			w := n.Inputs[1]
			if rounded[w] == nil {
				power := make([]float64, max(w.Const.Shape[0], w.Const.Shape[1]))
				for i := range power {
					power[i] = 1
				}
				rounded[w] = quantizeWeight(n, power, math.MaxFloat32).add(g, w)
			}
			n.Inputs[1] = rounded[w]
		}
		g.Nodes = append(g.Nodes, n)
	}
	if len(rounded) == 0 {
		return nil, fmt.Errorf("%w: no weights among the graph's %d operators", ErrNothing, len(nodes))
	}
	channels, made := deploy.Inputs[0].Type.Shape[1].Size, inputs == nil
	var err error
	if made {
		inputs, err = Made(ctx, channels, size[0], size[1])
	} else {
		inputs, err = singles(inputs, channels)
	}
	if err != nil {
		return nil, err
	}
	data := batches(inputs)
	want, err := outputs(ctx, float, data, q.o.Threads)
	if err != nil {
		return nil, err
	}
	got, err := outputs(ctx, g, data, q.o.Threads)
	if err != nil {
		return nil, err
	}
	r := &q.report
	r.Calibration, r.HeldOut, r.Loss = NotNeeded, len(inputs), lossOf(got, want, q.o)
	if r.Verdict = r.Loss.Verdict(); made {
		r.Verdict = r.Verdict.Estimated()
	}
	r.Operators, r.Numbers = fmt.Sprintf("weights of %d layers", len(rounded)), "symmetric per channel; operators compute in floats"
	r.Scheme = fmt.Sprintf("int8 %s, %s", r.Operators, r.Numbers)
	return g, nil
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
