package quant

import (
	"context"
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
)

// quantization is the last part of the work: measuring, and leaving layers in float.
type quantization struct {
	*calibration
	o      Options
	set    map[*graph.Node]bool
	float  *graph.Graph
	report *Report
}

const (
	sensitivitySamples = 16
	measureSamples     = 64
)

// finish fills the report and returns the quantized graph.
func (q *quantization) finish(ctx context.Context, data []*graph.Tensor) (*graph.Graph, error) {
	order, err := q.layers(ctx, data)
	if err != nil {
		return nil, err
	}
	part := some(data, measureSamples)
	want, err := outputs(ctx, q.n.g, part, q.o.Threads)
	if err != nil {
		return nil, err
	}
	measure := func(k int) (*graph.Graph, float64, error) {
		g := q.emit(q.without(order[:k]))
		got, err := outputs(ctx, g, part, q.o.Threads)
		if err != nil {
			return nil, 0, err
		}
		return g, sqnr(want, got), nil
	}
	k := min(max(q.o.KeepFloat, 0), len(order))
	if q.o.KeepFloat == KeepAuto {
		low, high := 0, len(order)
		for low < high {
			mid := (low + high) / 2
			q.o.Progress("keep float", mid, len(order))
			_, s, err := measure(mid)
			if err != nil {
				return nil, err
			}
			if s >= AutoSQNR {
				high = mid
			} else {
				low = mid + 1
			}
		}
		k = low
	}
	q.o.Progress("measure", 0, 1)
	g, s, err := measure(k)
	if err != nil {
		return nil, err
	}
	q.o.Progress("measure", 1, 1)
	q.report.SQNR = s
	q.report.Ranges = q.ranges(q.without(order[:k]))
	for _, node := range order[:k] {
		q.report.KeptFloat = append(q.report.KeptFloat, node.Name())
	}
	for i := range q.report.Layers {
		l := &q.report.Layers[i]
		l.Float = slices.Contains(q.report.KeptFloat, l.Name)
	}
	scope := "1×1 convolutions, GELU between them and fully connected layers"
	if q.o.Scope == All {
		scope = "all operators"
	}
	q.report.Scheme = fmt.Sprintf("int8 QDQ, %s: weights symmetric int8 per channel, activations uint8 per tensor (%s), channels equalized, biases int32 corrected", scope, q.o.Method)
	return g, nil
}

// without returns the set less some nodes. Those that only pass integers on, and lose all
// integer neighbours, need no rule: they quantize their operands.
func (q *quantization) without(nodes []*graph.Node) map[*graph.Node]bool {
	set := map[*graph.Node]bool{}
	for n := range q.set {
		set[n] = !slices.Contains(nodes, n)
	}
	for n, ok := range set {
		if !ok {
			delete(set, n)
		}
	}
	return set
}

// layers measures each layer alone, fills the table and returns the layers by what they
// cost, the worst first.
func (q *quantization) layers(ctx context.Context, data []*graph.Tensor) ([]*graph.Node, error) {
	var nodes []*graph.Node
	for _, n := range q.n.g.Nodes {
		if q.set[n] {
			nodes = append(nodes, n)
			q.report.Layers = append(q.report.Layers, q.layer(n))
		}
	}
	if q.o.KeepFloat == 0 && !q.o.Sensitivity {
		return nil, nil
	}
	data = some(data, sensitivitySamples)
	want, err := outputs(ctx, q.n.g, data, q.o.Threads)
	if err != nil {
		return nil, err
	}
	rows := q.report.Layers
	const step = 16 // so that progress is seen
	for from := 0; from < len(nodes); from += step {
		q.o.Progress("sensitivity", from, len(nodes))
		err := parallel(min(step, len(nodes)-from), q.o.Threads, func(i int) error {
			node := nodes[from+i]
			got, err := outputs(ctx, q.emit(map[*graph.Node]bool{node: true}), data, 1)
			if err != nil {
				return err
			}
			rows[from+i].SQNR = sqnr(want, got)
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	q.o.Progress("sensitivity", len(nodes), len(nodes))
	index := make([]int, len(nodes))
	for i := range index {
		index[i] = i
	}
	slices.SortStableFunc(index, func(a, b int) int {
		switch d := rows[a].SQNR - rows[b].SQNR; {
		case d < 0:
			return -1
		case d > 0:
			return 1
		}
		return a - b
	})
	order := make([]*graph.Node, len(nodes))
	for i, k := range index {
		order[i] = nodes[k]
	}
	return order, nil
}

func (q *quantization) layer(node *graph.Node) Layer {
	r := Layer{Name: node.Name(), Kind: node.Op.Kind()}
	if w, ok := q.weights[node]; ok {
		r.ScaleMin, r.ScaleMax = float64(slices.Min(w.scales)), float64(slices.Max(w.scales))
	}
	return r
}

// ranges lists the values that are quantized when the nodes of the set are in int8.
func (q *quantization) ranges(set map[*graph.Node]bool) []Range {
	var rs []Range
	for _, v := range q.n.quantized(set) {
		h, p := q.histograms[v], q.quantizers[v]
		low, high := p.limits()
		rs = append(rs, Range{v.Name, h.lo, h.hi, low, high, p.scale, p.zero})
	}
	return rs
}
