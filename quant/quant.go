package quant

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/reparam"
)

// Quantize returns the int8 form of deploy, a float32 network whose BatchNorms have been
// folded, as a graph with QuantizeLinear and DequantizeLinear, and a report. Neither graph
// given is changed.
//
// The calibration inputs, N×3×H×W float32 each, must be normalised as the network expects
// and not be those that it is judged by afterwards. Without any, inputs of the given height
// and width are synthesised: training, the form with BatchNorm nodes, which may be nil
// otherwise, tells what statistics they should have.
//
// The error wraps [ErrNothing], [ErrCalibration], [graph.ErrShape] or [graph.ErrGraph], or
// is that of ctx.
func Quantize(ctx context.Context, training, deploy *graph.Graph, calibration []*graph.Tensor, size [2]int, opts Options) (*graph.Graph, *Report, error) {
	o, err := opts.check()
	if err != nil {
		return nil, nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, nil, err
	}
	if err := suitable(deploy); err != nil {
		return nil, nil, err
	}
	r := &Report{Calibration: FromImages}
	channels := deploy.Inputs[0].Type.Shape[1].Size
	own := anyBatch(deploy)
	watched := own
	if calibration == nil {
		var matched *graph.Graph
		if calibration, matched, err = synthesise(ctx, training, channels, size, o); err != nil {
			return nil, nil, err
		}
		r.Calibration = FromNoise
		if matched != nil {
			watched, r.Calibration = reparam.Fuse(matched), FromBatchNorm
		}
	}
	data, samples, err := batches(calibration, channels)
	if err != nil {
		return nil, nil, err
	}
	r.Samples = samples
	n, err := newNetwork(own, watched, graph.FixedShape(data[0].Shape...))
	if err != nil {
		return nil, nil, err
	}
	set := n.scope(o.Scope)
	if len(set) == 0 {
		return nil, nil, fmt.Errorf("%w: scope %q holds none of the graph's %d operators", ErrNothing, o.Scope, len(n.g.Nodes))
	}
	if err := equalize(ctx, n, data, n.quantized(set), o); err != nil {
		return nil, nil, err
	}
	c, err := calibrate(ctx, n, data, set, o)
	if err != nil {
		return nil, nil, err
	}
	q := &quantization{calibration: c, o: o, set: set, report: r, float: deploy}
	g, err := q.finish(ctx, data)
	if err != nil {
		return nil, nil, err
	}
	for i, v := range g.Inputs {
		v.Type = deploy.Inputs[i].Type
	}
	if err := g.Validate(); err != nil {
		return nil, nil, err
	}
	return g, r, nil
}

// suitable checks that the graph is one that the package can quantize.
func suitable(g *graph.Graph) error {
	if g == nil {
		return fmt.Errorf("%w: no graph", graph.ErrGraph)
	}
	if err := g.Validate(); err != nil {
		return err
	}
	if len(g.Inputs) != 1 {
		return fmt.Errorf("%w: %d inputs, expected one", graph.ErrGraph, len(g.Inputs))
	}
	t := g.Inputs[0].Type
	if t.DType != graph.Float32 || len(t.Shape) != 4 || !t.Shape[1].Known() {
		return fmt.Errorf("%w: input %q is %v, expected float32 N×C×H×W with a known number of channels", graph.ErrShape, g.Inputs[0].Name, *t)
	}
	for _, n := range g.Nodes {
		switch n.Op.(type) {
		case graph.QuantizeLinear, graph.DequantizeLinear:
			return fmt.Errorf("%w: %s is quantized already", ErrNothing, n.Name())
		case graph.BatchNorm:
			return fmt.Errorf("%w: %s is a BatchNorm, expected a graph in which they are folded", graph.ErrGraph, n.Name())
		}
	}
	return nil
}

// anyBatch returns a copy of g that takes any number of images.
func anyBatch(g *graph.Graph) *graph.Graph {
	c := g.Clone()
	t := *c.Inputs[0].Type
	t.Shape = slices.Clone(t.Shape)
	t.Shape[0] = graph.Symbol("batch")
	c.Inputs[0].Type = &t
	return c
}

// sqnr is 10·log10(Σy²/Σ(y−ŷ)²), +Inf turned into 200 for equal values.
func sqnr(want, got []float32) float64 {
	signal, noise := 0.0, 0.0
	for i, y := range want {
		d := float64(y) - float64(got[i])
		signal += float64(y) * float64(y)
		noise += d * d
	}
	if noise == 0 {
		return 200
	}
	return min(10*math.Log10(signal/noise), 200)
}
