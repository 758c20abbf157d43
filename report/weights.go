package report

import (
	"math"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/quant"
)

// Weights returns the range of the weight of every convolution and fully connected layer,
// in the graph's order. Of an int8 weight it is the range of the numbers that it stands
// for, and Low and High are what int8 holds in the output channel with the largest scale.
func Weights(g *graph.Graph) Ranges {
	r := Ranges{Title: "Weights"}
	producers := g.Producers()
	for _, n := range g.Nodes {
		if !n.Is(graph.Linear) {
			continue
		}
		w := n.Inputs[1]
		if w.Const != nil {
			r.Tensors = append(r.Tensors, floatWeight(w))
		} else if d := producers[w]; d != nil {
			if t, ok := int8Weight(d); ok {
				r.Tensors = append(r.Tensors, t)
			}
		}
	}
	return r
}

// floatWeight is the range of a weight that is not quantized.
func floatWeight(w *graph.Value) quant.Range {
	t := quant.Range{Name: w.Name}
	t.Min, t.Max = extremes(w.Const.Float64s())
	return t
}

// int8Weight is the range of the weight that a DequantizeLinear node, symmetric and with a
// scale for each output channel or one for all, makes out of integers; false for other
// nodes.
func int8Weight(n *graph.Node) (t quant.Range, ok bool) {
	if _, ok := n.Op.(graph.DequantizeLinear); !ok || n.Inputs[0].Const == nil || n.Inputs[0].Const.DType != graph.Int8 || n.Inputs[1].Const == nil {
		return t, false
	}
	values, scales := n.Inputs[0].Const.Int8s(), n.Inputs[1].Const.Float64s()
	if len(scales) == 0 || len(values)%len(scales) != 0 {
		return t, false
	}
	t.Name = n.Inputs[0].Name
	row := len(values) / len(scales)
	numbers := make([]float64, len(values))
	for i, v := range values {
		numbers[i] = float64(v) * scales[i/row]
	}
	t.Min, t.Max = extremes(numbers)
	_, widest := extremes(scales)
	t.Low, t.High = math.MinInt8*widest, math.MaxInt8*widest
	return t, true
}

// extremes returns the smallest and largest value, zeros where there are none.
func extremes(values []float64) (least, most float64) {
	for i, v := range values {
		if i == 0 {
			least, most = v, v
		}
		least, most = min(least, v), max(most, v)
	}
	return least, most
}
