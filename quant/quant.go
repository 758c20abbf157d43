package quant

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/reparam"
)

// Quantize returns the int8 form of deploy, a float32 network whose BatchNorms have been
// folded, as a graph with QuantizeLinear and DequantizeLinear, and a report. Neither graph
// given is changed.
//
// The inputs, N×3×H×W float32 each and two images at least, must be normalised as the
// network expects. Ranges and rounding follow from all of them. What int8 costs is measured on
// a quarter, evenly spread, that is held out: of a network that was quantized in the same way
// by the other three quarters alone, or of the one returned if that should be worse. It
// steers which layers stay in float, too. Without any inputs, some of the given height and
// width are made up: training, the form with BatchNorm nodes, which may be nil otherwise,
// tells what statistics they should have.
//
// Of a detector, backbone and neck are quantized, and the loss is that of the feature maps; of
// other networks that decide, it is that of what they decide about.
//
// A network that int8 ruins is returned like any other: [Report].Verdict says so.
//
// The error wraps [ErrNothing], [ErrCalibration], [graph.ErrShape] or [graph.ErrGraph], or
// is that of ctx.
func Quantize(ctx context.Context, training, deploy *graph.Graph, inputs []*graph.Tensor, size [2]int, opts Options) (*graph.Graph, *Report, error) {
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
	q := &quantization{o: o}
	part, behind := split(deploy)
	var held []*graph.Tensor
	var g *graph.Graph
	if o.Scope == Weights {
		g, err = q.weightsAlone(ctx, part, inputs, size)
	} else if inputs != nil {
		held, err = q.fromImages(ctx, part, inputs)
	} else {
		if training != nil {
			training, _ = split(training)
		}
		held, err = q.fromNothing(ctx, training, part, size)
	}
	if err != nil {
		return nil, nil, err
	}
	if g == nil {
		if g, err = q.finish(ctx, batches(held)); err != nil {
			return nil, nil, err
		}
	}
	if behind != nil {
		g = join(g, deploy, behind)
	}
	for i, v := range g.Inputs {
		v.Type = deploy.Inputs[i].Type
	}
	if err := g.Validate(); err != nil {
		return nil, nil, err
	}
	return g, &q.report, nil
}

// fromImages calibrates with the inputs given and returns those to measure on.
func (q *quantization) fromImages(ctx context.Context, deploy *graph.Graph, inputs []*graph.Tensor) (held []*graph.Tensor, err error) {
	all, err := singles(inputs, deploy.Inputs[0].Type.Shape[1].Size)
	if err != nil {
		return nil, err
	}
	most, held, err := holdOut(all)
	if err != nil {
		return nil, err
	}
	q.report = Report{Calibration: FromImages, Samples: len(all), HeldOut: len(held)}
	own := anyBatch(deploy)
	if q.calibration, err = fit(ctx, own, own, all, q.o); err != nil {
		return nil, err
	}
	own = anyBatch(deploy)
	q.judged, err = fit(ctx, own, own, most, q.o)
	return held, err
}

// fromNothing calibrates with made-up inputs and returns others to measure on. Only in the
// network that is matched to them do they cause the activations of training, so that is the
// one that is judged.
func (q *quantization) fromNothing(ctx context.Context, training, deploy *graph.Graph, size [2]int) (held []*graph.Tensor, err error) {
	made, held, matched, err := synthesise(ctx, training, deploy.Inputs[0].Type.Shape[1].Size, size, q.o)
	if err != nil {
		return nil, err
	}
	q.report = Report{Calibration: FromNoise, Samples: len(made), HeldOut: len(held)}
	own := anyBatch(deploy)
	watched := own
	if matched != nil {
		q.report.Calibration = FromBatchNorm
		watched = reparam.Fuse(matched)
	}
	judged := watched.Clone()
	if q.calibration, err = fit(ctx, own, watched, made, q.o); err != nil {
		return nil, err
	}
	q.judged = q.calibration
	if matched != nil {
		q.judged, err = fit(ctx, judged, judged, made, q.o)
	}
	return held, err
}

// fit chooses scales and integers for own by what the inputs cause in watched. Both graphs
// are changed.
func fit(ctx context.Context, own, watched *graph.Graph, inputs []*graph.Tensor, o Options) (*calibration, error) {
	separate(own)
	if watched != own {
		separate(watched)
	}
	data := batches(inputs)
	n, err := newNetwork(own, watched, graph.FixedShape(data[0].Shape...))
	if err != nil {
		return nil, err
	}
	n.integers = o.Integers
	set := n.scope(o.Scope)
	if len(set) == 0 {
		return nil, fmt.Errorf("%w: scope %q holds none of the graph's %d operators", ErrNothing, o.Scope, len(n.g.Nodes))
	}
	if err := known(o.Keep, set); err != nil {
		return nil, err
	}
	if err := equalize(ctx, n, data, n.quantized(set), o); err != nil {
		return nil, err
	}
	return calibrate(ctx, n, data, set, o)
}

// known checks that names of layers stand for some of the set.
func known(names []string, set map[*graph.Node]bool) error {
	for _, name := range names {
		var layers, like []string
		found := false
		for n := range set {
			layers = append(layers, n.Name())
			if strings.Contains(n.Name(), name) {
				like = append(like, n.Name())
			}
			found = found || covers(name, n.Name())
		}
		if found {
			continue
		}
		if name == "" || like == nil {
			like = layers
		}
		slices.Sort(like)
		return fmt.Errorf("%w: found %q as a layer to keep in float, expected one of the %d in int8, such as %s", ErrOption, name, len(set), strings.Join(like[:min(len(like), shownLayers)], ", "))
	}
	return nil
}

// shownLayers is how many layers an error names.
const shownLayers = 3

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
