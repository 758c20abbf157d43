package quant

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/graph"
)

// quantization is a network with its integers, and what comes after choosing them: measuring,
// and leaving layers in float.
type quantization struct {
	*calibration
	// judged is what losses are measured with: a network of the same nodes and names, but
	// calibrated without the images that it is measured on.
	judged *calibration
	o      Options
	report Report
}

// sensitivitySamples is how many of the images held out each layer alone is measured on.
const sensitivitySamples = 16

// finish fills the report and returns the quantized graph.
func (q *quantization) finish(ctx context.Context, held []*graph.Tensor) (*graph.Graph, error) {
	order, err := q.layers(ctx, held)
	if err != nil {
		return nil, err
	}
	named := q.named(q.o.Keep)
	order = slices.DeleteFunc(order, func(name string) bool { return slices.Contains(named, name) })
	named = slices.Clip(named)
	want, err := outputs(ctx, q.judged.n.g, held, q.o.Threads)
	if err != nil {
		return nil, err
	}
	measure := func(k int) (Loss, error) {
		got, err := outputs(ctx, q.judged.emit(q.judged.less(append(named, order[:k]...))), held, q.o.Threads)
		if err != nil {
			return Loss{}, err
		}
		return lossOf(got, want, q.o), nil
	}
	k := min(max(q.o.KeepFloat, 0), len(order))
	if q.o.KeepFloat == KeepAuto {
		low, high := 0, len(order)
		for low < high {
			mid := (low + high) / 2
			q.o.Progress("keep float", mid, len(order))
			l, err := measure(mid)
			if err != nil {
				return nil, err
			}
			if l.SQNR >= AutoSQNR {
				high = mid
			} else {
				low = mid + 1
			}
		}
		k = low
	}
	q.o.Progress("measure", 0, 1)
	l, err := measure(k)
	if err != nil {
		return nil, err
	}
	q.o.Progress("measure", 1, 1)
	kept := append(named, order[:k]...)
	left := q.less(kept)
	g := q.emit(left)
	own, err := q.own(ctx, g, held)
	if err != nil {
		return nil, err
	}
	q.fill(l, own, kept, left)
	return g, nil
}

// own measures the graph that is returned.
func (q *quantization) own(ctx context.Context, g *graph.Graph, held []*graph.Tensor) (Loss, error) {
	want, err := outputs(ctx, q.n.g, held, q.o.Threads)
	if err != nil {
		return Loss{}, err
	}
	got, err := outputs(ctx, g, held, q.o.Threads)
	if err != nil {
		return Loss{}, err
	}
	return lossOf(got, want, q.o), nil
}

// fill completes the report with the loss of the network that is judged and that of the one
// returned.
func (q *quantization) fill(judged, own Loss, kept []string, set map[*graph.Node]bool) {
	r := &q.report
	better, worse := judged, own
	if own.SQNR > judged.SQNR {
		better, worse = own, judged
	}
	if r.Calibration == FromImages {
		// The images that it was calibrated with flatter it, but never make it worse.
		r.Loss, r.Verdict = worse, worse.Verdict()
	} else {
		r.Loss, r.Doubt, r.Verdict = better, worse, better.Verdict().Estimated()
	}
	r.Ranges = q.ranges(set)
	r.KeptFloat = kept
	for i := range r.Layers {
		l := &r.Layers[i]
		l.Float = slices.Contains(r.KeptFloat, l.Name)
	}
	scope := "1×1 convolutions, GELU between them and fully connected layers"
	if q.o.Scope == All {
		scope = "all operators"
	}
	activations := "uint8"
	if q.o.Symmetric {
		activations = "symmetric int8"
	}
	if q.o.Integers {
		scope += " and the outputs"
	}
	r.Operators = scope
	r.Numbers = fmt.Sprintf("weights symmetric int8 per channel, activations %s per tensor (%s)", activations, q.o.Method)
	r.Scheme = fmt.Sprintf("int8 QDQ, %s: %s, channels equalized, biases int32 corrected", r.Operators, r.Numbers)
}

// named returns the layers of the scope that names stand for, in the network's order.
func (c *calibration) named(names []string) (all []string) {
	for _, n := range c.n.g.Nodes {
		if c.set[n] && slices.ContainsFunc(names, func(name string) bool { return covers(name, n.Name()) }) {
			all = append(all, n.Name())
		}
	}
	return all
}

// covers reports whether a name is that of a layer, before its channels were equalized or after, or of a
// part that it is in.
func covers(name, layer string) bool {
	name, layer = strings.TrimSuffix(name, equalized), strings.TrimSuffix(layer, equalized)
	return layer == name || strings.HasPrefix(layer, name+".")
}

// less returns the scope less the nodes named. Those that only pass integers on, and lose all
// integer neighbours, need no rule: they quantize their operands.
func (c *calibration) less(names []string) map[*graph.Node]bool {
	out := map[*graph.Node]bool{}
	for n := range c.set {
		if !slices.Contains(names, n.Name()) {
			out[n] = true
		}
	}
	return out
}

// layers measures each layer alone, fills the table and returns the layers' names by what
// they cost, the worst first.
func (q *quantization) layers(ctx context.Context, held []*graph.Tensor) ([]string, error) {
	for _, n := range q.n.g.Nodes {
		if q.set[n] {
			q.report.Layers = append(q.report.Layers, q.layer(n))
		}
	}
	if q.o.KeepFloat == 0 && !q.o.Sensitivity {
		return nil, nil
	}
	var nodes []*graph.Node // of the network that is judged, in the same order
	for _, n := range q.judged.n.g.Nodes {
		if q.judged.set[n] {
			nodes = append(nodes, n)
		}
	}
	data := some(held, sensitivitySamples)
	want, err := outputs(ctx, q.judged.n.g, data, q.o.Threads)
	if err != nil {
		return nil, err
	}
	rows := q.report.Layers
	const step = 16 // so that progress is seen
	for from := 0; from < len(nodes); from += step {
		q.o.Progress("sensitivity", from, len(nodes))
		err := parallel(min(step, len(nodes)-from), q.o.Threads, func(i int) error {
			got, err := outputs(ctx, q.judged.emit(map[*graph.Node]bool{nodes[from+i]: true}), data, 1)
			if err != nil {
				return err
			}
			rows[from+i].SQNR = lossOf(got, want, q.o).SQNR
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
	slices.SortStableFunc(index, func(a, b int) int { return cmp.Compare(rows[a].SQNR, rows[b].SQNR) })
	order := make([]string, len(nodes))
	for i, k := range index {
		order[i] = rows[k].Name
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
		zero := int(p.zero)
		if q.symmetric {
			zero = 0
		}
		rs = append(rs, Range{v.Name, h.lo, h.hi, low, high, p.scale, zero})
	}
	return rs
}
