package model

import (
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
)

// batchNormEpsilon is PyTorch's default, which every RepViT was trained with.
const batchNormEpsilon = 1e-5

// Options say what the graph takes and gives. The zero value is a classifier for any
// batch size and any resolution.
type Options struct {
	Batch         int  // images in a batch; 0 for any number
	Height, Width int  // of the input in pixels; 0 for any
	Features      bool // outputs every stage's feature map instead of logits
	Softmax       bool // appends Softmax to the logits
	Labels        []string
	// Preprocess is stored with the model, for the number of channels that it takes. It is
	// not stored where it says nothing, nor without Mean and Std where ImageNet's do not fit.
	Preprocess preprocess.Config
}

// Model is a network in its training form and what was read off its state dict.
type Model struct {
	Graph   *graph.Graph
	Info    Info
	Ignored []string // keys outside the network, in the state dict's order

	check func(workers int) error
}

// Check checks what [BuildUnchecked] put off, on as many goroutines as given but one at
// least. The errors are those of [Build].
func (m *Model) Check(workers int) error {
	if m.check == nil {
		return nil // not built from a state dict
	}
	return m.check(workers)
}

// Build returns the network that a state dict holds. The input is "input", N×3×H×W
// float32; the outputs are "logits", N×classes, or with Features "stage1", "stage2", …
// with strides 4, 8, 16, 32. Float32 weights are views of the file, which must stay open.
// The network may be a part of a larger one, its keys below a common prefix ("backbone.").
//
// The error wraps [ErrNotRepViT], a [*KeyError] that names a missing, misshaped or
// unexpected key, or a [*ValueError] that names a tensor with elements that are not
// finite or with negative variances.
func Build(sd *pytorch.StateDict, opts Options) (*Model, error) {
	m, err := BuildUnchecked(sd, opts)
	if err != nil {
		return nil, err
	}
	if err := m.Check(runtime.GOMAXPROCS(0)); err != nil {
		return nil, err
	}
	return m, nil
}

// BuildUnchecked is [Build] without the check of the weights' elements and of their bytes in
// the file, so that it can be made while the graph is already worked on. Nothing that was
// computed from the weights may be given out before [Model.Check] has returned nil.
func BuildUnchecked(sd *pytorch.StateDict, opts Options) (*Model, error) {
	w, err := locate(sd)
	if err != nil {
		return nil, err
	}
	keys := w.keys()
	l, err := detect(keys)
	if err != nil {
		return nil, err
	}
	b := &builder{sd: w, used: make(map[string]bool, len(keys)), loaded: make([]loaded, 0, len(keys)), g: &graph.Graph{Metadata: map[string]string{}}}
	m := &Model{Graph: b.g}
	m.Info.Family = l.family
	b.info = &m.Info
	if err := b.network(l, opts); err != nil {
		return nil, w.inFile(err)
	}
	m.check = func(workers int) error { return w.inFile(checkAll(b.loaded, workers)) }
	if m.Ignored, err = b.leftover(l, opts.Features); err != nil {
		return nil, err
	}
	m.Info.name()
	b.g.Name = m.Info.Variant
	if err := m.metadata(opts); err != nil {
		return nil, err
	}
	if err := b.g.Validate(); err != nil {
		return nil, err
	}
	return m, nil
}

// Metadata keys of a graph that Build returns.
const (
	MetaVariant    = "repvit.variant"
	MetaGeneration = "repvit.generation"
	MetaClasses    = "repvit.classes"
	MetaDistilled  = "repvit.distilled"
	MetaLabels     = "repvit.labels"     // JSON array of strings
	MetaPreprocess = "repvit.preprocess" // JSON of a preprocess.Config
)

func (m *Model) metadata(opts Options) error {
	meta := m.Graph.Metadata
	meta[MetaVariant] = m.Info.Variant
	meta[MetaGeneration] = m.Info.Generation
	meta[MetaClasses] = fmt.Sprint(m.Info.Classes)
	meta[MetaDistilled] = fmt.Sprint(m.Info.Distilled)
	if opts.Labels != nil {
		if opts.Features {
			return fmt.Errorf("found %d labels, expected none: feature maps have no classes", len(opts.Labels))
		}
		if len(opts.Labels) != m.Info.Classes {
			return fmt.Errorf("found %d labels, expected one for each of %d classes", len(opts.Labels), m.Info.Classes)
		}
		text, err := json.Marshal(opts.Labels)
		if err != nil {
			return err
		}
		meta[MetaLabels] = string(text)
	}
	channels := m.Graph.Inputs[0].Type.Shape[1].Size
	p, err := opts.Preprocess.For(channels)
	switch {
	case p.Height == 0, channels != 3 && len(opts.Preprocess.Mean) == 0 && len(opts.Preprocess.Std) == 0:
		return nil
	case err != nil:
		return err
	}
	text, err := json.Marshal(p)
	if err != nil {
		return err
	}
	meta[MetaPreprocess] = string(text)
	return nil
}

type builder struct {
	sd     weights
	g      *graph.Graph
	info   *Info
	used   map[string]bool
	loaded []loaded
	v1     int // token mixers of each form
	v2     int
}

func (b *builder) network(l *layout, opts Options) error {
	size := func(n int, sym string) graph.Dim {
		if n > 0 {
			return graph.Fixed(n)
		}
		return graph.Symbol(sym)
	}
	channels := 3
	if t, ok := b.sd.get(l.stem1 + ".weight"); ok && len(t.Shape) == 4 {
		channels = t.Shape[1]
	} else if t, ok := b.sd.get(l.stem1 + ".c.weight"); ok && len(t.Shape) == 4 {
		channels = t.Shape[1]
	}
	in := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{
		size(opts.Batch, "batch"), graph.Fixed(channels), size(opts.Height, "height"), size(opts.Width, "width")}}}
	b.g.Inputs = []*graph.Value{in}

	x, c, err := b.convBN("features.0.conv1", l.stem1, in, conv{in: channels, kernel: 3, stride: 2})
	if err != nil {
		return err
	}
	x = b.g.Add("features.0.act", graph.Gelu{}, x)
	if x, c, err = b.convBN("features.0", l.stem2, x, conv{in: c, kernel: 3, stride: 2}); err != nil {
		return err
	}
	b.info.Stages = []Stage{{Width: c}}
	var ends []*graph.Value
	for _, blk := range l.blocks {
		if blk.strided() {
			ends = append(ends, x)
			b.info.Stages = append(b.info.Stages, Stage{})
		}
		if x, c, err = b.block(blk, x, c); err != nil {
			return err
		}
		s := &b.info.Stages[len(b.info.Stages)-1]
		s.Width = c
		s.Blocks++
		s.SE += map[bool]string{true: "1", false: "0"}[blk.se != ""]
	}
	ends = append(ends, x)
	b.info.Distilled = len(l.heads) == 2
	if opts.Features {
		for i, v := range ends {
			v.Name = fmt.Sprintf("stage%d", i+1)
		}
		b.g.Outputs = ends
		return nil
	}
	return b.classifier(l.heads, x, c, opts.Softmax)
}

// conv says what a convolution must look like. The number of output channels is free
// where out is zero.
type conv struct {
	in, out, kernel, stride int
	depthwise               bool
}

// convBN adds a convolution and its BatchNorm ("Conv2d_BN" in the official code), or a
// fused convolution with bias, and returns its output, which gets the name given, and its
// number of channels. kernel 0 takes any odd square kernel.
func (b *builder) convBN(name, key string, x *graph.Value, c conv) (*graph.Value, int, error) {
	if _, fused := b.sd.get(key + ".weight"); fused {
		w, k, err := b.kernel(key+".weight", []string{key + ".bias"}, c)
		if err != nil {
			return nil, 0, err
		}
		bias, err := b.weight(key+".bias", w.Const.Shape[0])
		if err != nil {
			return nil, 0, err
		}
		return b.g.Add(name, k, x, w, bias), w.Const.Shape[0], nil
	}
	bn := key + ".bn"
	w, k, err := b.kernel(key+".c.weight", []string{bn + ".weight", bn + ".bias", bn + ".running_mean", bn + ".running_var"}, c)
	if err != nil {
		return nil, 0, err
	}
	out := w.Const.Shape[0]
	x, err = b.batchNorm(name, bn, b.g.Add(name+".c", k, x, w), out)
	return x, out, err
}

// kernel loads a convolution's weight. Where the output channels are free, they are what
// most of the weight and its per-channel companions say, so that an error blames the
// tensor that stands alone.
func (b *builder) kernel(key string, companions []string, c conv) (*graph.Value, graph.Conv, error) {
	t, ok := b.sd.get(key)
	votes := map[int]int{}
	kernel := c.kernel
	if ok && len(t.Shape) == 4 {
		votes[t.Shape[0]]++
		if kernel == 0 && t.Shape[2]%2 == 1 {
			kernel = t.Shape[2]
		}
	}
	if kernel == 0 {
		kernel = 3
	}
	if c.depthwise {
		c.out = c.in
	}
	if c.out == 0 {
		best := -1
		for _, k := range companions {
			if t, ok := b.sd.get(k); ok && len(t.Shape) == 1 {
				votes[t.Shape[0]]++
			}
		}
		for n, v := range votes {
			if v > votes[best] || v == votes[best] && n > best {
				best = n
			}
		}
		c.out = best
	}
	group, in := 1, c.in
	if c.depthwise {
		group, in = c.in, 1
	}
	w, err := b.weight(key, c.out, in, kernel, kernel)
	if err != nil {
		return nil, graph.Conv{}, err
	}
	p := (kernel - 1) / 2
	return w, graph.Conv{Strides: [2]int{c.stride, c.stride}, Pads: [4]int{p, p, p, p}, Group: group}, nil
}

func (b *builder) batchNorm(name, key string, x *graph.Value, n int) (*graph.Value, error) {
	in := []*graph.Value{x}
	for _, k := range []string{".weight", ".bias", ".running_mean", ".running_var"} {
		w, err := b.weight(key+k, n)
		if err != nil {
			return nil, err
		}
		in = append(in, w)
	}
	b.loaded[len(b.loaded)-1].variance = true
	b.used[key+".num_batches_tracked"] = true
	return b.g.Add(name, graph.BatchNorm{Epsilon: batchNormEpsilon}, in...), nil
}

func (b *builder) block(k block, x *graph.Value, c int) (*graph.Value, int, error) {
	var err error
	token := k.name + ".token_mixer"
	if k.strided() {
		x, _, err = b.convBN(token+".dw", k.token, x, conv{in: c, stride: 2, depthwise: true})
	} else {
		x, err = b.tokenMixer(token+".dw", k.token, x, c)
	}
	if err != nil {
		return nil, 0, err
	}
	if k.se != "" {
		if x, err = b.squeezeExcite(token+".se", k.se, x, c); err != nil {
			return nil, 0, err
		}
	}
	if k.strided() {
		if x, c, err = b.convBN(token+".pw", k.pointwise, x, conv{in: c, kernel: 1, stride: 1}); err != nil {
			return nil, 0, err
		}
	}
	mixer := k.name + ".channel_mixer"
	y, hidden, err := b.convBN(mixer+".conv1", k.mix1, x, conv{in: c, kernel: 1, stride: 1})
	if err != nil {
		return nil, 0, err
	}
	y = b.g.Add(mixer+".act", graph.Gelu{}, y)
	if y, _, err = b.convBN(mixer+".conv2", k.mix2, y, conv{in: hidden, out: c, kernel: 1, stride: 1}); err != nil {
		return nil, 0, err
	}
	return b.g.Add(k.name, graph.Add{}, x, y), c, nil
}

// tokenMixer adds RepVGGDW in the form that its keys show:
//
//	v1: BN(conv3×3 x) + BN(conv1×1 x) + x
//	v2: BN(BN(conv3×3 x) + conv1×1 x + x)
//	fused: conv3×3 x
func (b *builder) tokenMixer(name, key string, x *graph.Value, c int) (*graph.Value, error) {
	if _, fused := b.sd.get(key + ".weight"); fused {
		y, _, err := b.convBN(name, key, x, conv{in: c, stride: 1, depthwise: true})
		return y, err
	}
	y, _, err := b.convBN(name+".conv", key+".conv", x, conv{in: c, stride: 1, depthwise: true})
	if err != nil {
		return nil, err
	}
	point := conv{in: c, kernel: 1, stride: 1, depthwise: true}
	z, _, err := b.convBN(name+".conv1", key+".conv1", x, point)
	if err != nil {
		return nil, err
	}
	y = b.g.Add(name+".branches", graph.Add{}, y, z)
	_, v1 := b.sd.get(key + ".conv1.c.weight")
	_, outer := b.sd.get(key + ".bn.weight")
	if v1 && !outer {
		b.v1++
		return b.g.Add(name, graph.Add{}, y, x), nil
	}
	b.v2++
	y = b.g.Add(name+".sum", graph.Add{}, y, x)
	return b.batchNorm(name, key+".bn", y, c)
}

func (b *builder) squeezeExcite(name, key string, x *graph.Value, c int) (*graph.Value, error) {
	y := b.g.Add(name+".squeeze", graph.GlobalAveragePool{}, x)
	y, r, err := b.convBN(name+".fc1", key+".fc1", y, conv{in: c, kernel: 1, stride: 1})
	if err != nil {
		return nil, err
	}
	y = b.g.Add(name+".act", graph.Relu{}, y)
	if y, _, err = b.convBN(name+".fc2", key+".fc2", y, conv{in: r, out: c, kernel: 1, stride: 1}); err != nil {
		return nil, err
	}
	y = b.g.Add(name+".gate", graph.Sigmoid{}, y)
	return b.g.Add(name, graph.Mul{}, x, y), nil
}

func (b *builder) classifier(hs []head, x *graph.Value, c int, softmax bool) error {
	if len(hs) == 0 {
		return &KeyError{Key: "classifier.classifier.l.weight", Want: fmt.Sprintf("[classes %d]; a backbone without a classifier converts with --features only", c)}
	}
	x = b.g.Add("pool", graph.GlobalAveragePool{}, x)
	x = b.g.Add("flatten", graph.Flatten{}, x)
	var logits []*graph.Value
	for _, h := range hs {
		y, key := x, h.key
		if _, fused := b.sd.get(key + ".weight"); !fused {
			var err error
			if y, err = b.batchNorm(h.name+".bn", key+".bn", x, c); err != nil {
				return err
			}
			key += ".l"
		}
		classes := b.info.Classes // the first head decides
		if t, ok := b.sd.get(key + ".weight"); classes == 0 && ok && len(t.Shape) == 2 {
			classes = t.Shape[0]
		}
		if classes == 0 {
			classes = -1
		}
		w, err := b.weight(key+".weight", classes, c)
		if err != nil {
			return err
		}
		in := []*graph.Value{y, w}
		b.info.Classes = w.Const.Shape[0]
		if _, ok := b.sd.get(key + ".bias"); ok {
			bias, err := b.weight(key+".bias", b.info.Classes)
			if err != nil {
				return err
			}
			in = append(in, bias)
		}
		logits = append(logits, b.g.Add(h.name, graph.Gemm{}, in...))
	}
	out := logits[0]
	if len(logits) == 2 {
		out = b.g.Add("logits", graph.Mean{}, logits...)
	}
	out.Name = "logits"
	if softmax {
		out = b.g.Add("probabilities", graph.Softmax{}, out)
	}
	b.g.Outputs = []*graph.Value{out}
	return nil
}

// weight loads a tensor as a float32 weight and checks its shape, where −1 stands for any
// size. Its elements are checked when all are loaded.
func (b *builder) weight(key string, want ...int) (*graph.Value, error) {
	t, ok := b.sd.get(key)
	if !ok {
		return nil, &KeyError{Key: key, Want: shapeText(want)}
	}
	fits := len(t.Shape) == len(want)
	for i := 0; fits && i < len(want); i++ {
		fits = t.Shape[i] > 0 && (want[i] == t.Shape[i] || want[i] < 0)
	}
	if !fits {
		return nil, &KeyError{Key: key, Found: append([]int{}, t.Shape...), Want: shapeText(want)}
	}
	b.used[key] = true
	values, err := t.Unchecked()
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", key, err)
	}
	b.loaded = append(b.loaded, loaded{key: key, tensor: t, values: values})
	return graph.Weight(key, graph.Float32Tensor(slices.Clone(t.Shape), values)), nil
}

// leftover returns the keys outside the network, or an error where a key inside it was not
// used.
func (b *builder) leftover(l *layout, features bool) ([]string, error) {
	var ignored []string
	for _, k := range b.sd.sd.Keys() {
		key, inside := strings.CutPrefix(k, b.sd.prefix)
		if inside && b.used[key] {
			continue
		}
		scope, _, _ := strings.Cut(key, ".")
		inside = inside && slices.Contains(scopes[l.family], scope)
		if features && (scope == "classifier" || scope == "head") {
			inside = false
		}
		if !inside {
			ignored = append(ignored, k)
			continue
		}
		t, _ := b.sd.sd.Get(k)
		return nil, &KeyError{Key: k, Found: append([]int{}, t.Shape...), Want: "no such key in this network"}
	}
	switch {
	case b.v1 > 0 && b.v2 > 0:
		b.info.Generation = "mixed"
	case b.v1 > 0:
		b.info.Generation = "v1"
	case b.v2 > 0:
		b.info.Generation = "v2"
	default:
		b.info.Generation = "fused"
	}
	return ignored, nil
}
