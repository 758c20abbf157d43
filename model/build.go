package model

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
)

// batchNormEpsilon is PyTorch's default, which every published RepViT was trained with.
const batchNormEpsilon = 1e-5

// Options say what the graph takes and gives, and what the tensors of a state dict cannot
// say. The zero value is a classifier for any batch size and any resolution, as published.
type Options struct {
	Batch         int  // images in a batch; 0 for any number
	Height, Width int  // of the input in pixels; 0 for any
	Features      bool // outputs feature maps instead of logits; see Taps
	Embedding     bool // outputs the pooled features, N×C, instead of logits
	Softmax       bool // appends Softmax to the logits
	Labels        []string
	// Preprocess is stored with the model, for the number of channels that it takes. What it
	// leaves out (zero values) is as the checkpoint says, else as the network was published.
	Preprocess preprocess.Config

	BNEpsilon  float64  // of all BatchNorms; 0 for what the file says, else 1e-5
	Strides    [][2]int // rows and columns of each downsampling; nil for what the file says, else 2 (see Build)
	Taps       Taps     // which blocks Features gives; the zero value for the rule that fits the file
	IgnoreHead bool     // passes over heads beside the network

	// Stated is what the checkpoint says beside its tensors: see [StatedBy].
	Stated Stated
}

// Model is a network in its training form and what was read off its state dict.
type Model struct {
	Graph    *graph.Graph
	Info     Info
	Ignored  []string // keys outside the network, in the state dict's order
	Warnings []string // what no published network has, or had to be assumed
	Notes    []string // what was taken from the file by a rule
	Stated   []string // what was taken from the file's statements beside the tensors
}

// Build returns the network that a state dict holds. The input is "input", N×3×H×W
// float32; the outputs are "logits", N×classes, or with Features "stage1", "stage2", …
// with strides 4, 8, 16, 32, or with Embedding "embedding", N×C. A network without any head
// gives its features. Float32 weights are views of the file, which must stay open.
// The network may be a part of a larger one, its keys below a common prefix ("backbone.").
//
// What the file of a whole module states (epsilon, strides, padding, activations, order) is
// built or refused. What a plain state dict cannot state is as in the published networks, or
// as the options say. Strides are those of the stages' first blocks, or, two more, those of
// the stem's two convolutions before them. The last stage of a SAM encoder without fused
// stages has stride 1, which nothing but its neck tells.
//
// The error wraps [ErrNotRepViT], a [*KeyError] that names a missing, misshaped or
// unexpected key, a [*ModuleError] that names a module that computes something else, or a
// [*ValueError] that names a tensor with elements that are not finite or with negative
// variances.
func Build(sd *pytorch.StateDict, opts Options) (*Model, error) {
	w, err := locate(sd)
	if err != nil {
		return nil, err
	}
	keys := w.keys()
	l, err := detect(keys)
	if err != nil {
		return nil, err
	}
	b := &builder{sd: w, opts: opts, used: make(map[string]bool, len(keys)), loaded: make([]loaded, 0, len(keys)), g: &graph.Graph{Metadata: map[string]string{}},
		seen: map[string]bool{}, m: &Model{}, layout: l}
	m := b.m
	m.Graph = b.g
	m.Info.Family = l.family
	b.info = &m.Info
	if err := b.network(l); err != nil {
		return nil, w.inFile(err)
	}
	if err := checkAll(b.loaded); err != nil {
		return nil, w.inFile(err)
	}
	if m.Ignored, err = b.leftover(l); err != nil {
		return nil, err
	}
	if err := b.unknownModules(l); err != nil {
		return nil, err
	}
	m.Info.name()
	b.g.Name = m.Info.Variant
	b.unusual()
	if err := m.metadata(opts); err != nil {
		return nil, err
	}
	if err := b.g.Validate(); err != nil {
		return nil, err
	}
	b.g.Prune()
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
	MetaTaps       = "repvit.taps"       // rule and blocks of feature maps, "timm: 2 6 20 24"
	MetaEpsilon    = "repvit.bn_epsilon" // of the BatchNorms, where it is not 1e-5
	MetaHead       = "repvit.head"       // where the logits come from, where it is not the network's own head
	MetaWarnings   = "repvit.warnings"   // JSON array of strings
	MetaReading    = "repvit.reading"    // JSON of a Reading, where it is not the zero value

	// Where a converted file comes from.
	MetaSource       = "repvit.source"        // name of the checkpoint, without folders
	MetaSourceSHA256 = "repvit.source_sha256" // of its bytes
	MetaStateDict    = "repvit.state_dict"    // where in it the weights were
	MetaVersion      = "repvit.version"       // of the converter
	MetaQuantization = "repvit.quantization"  // scheme of an int8 file
)

func (m *Model) metadata(opts Options) error {
	meta := m.Graph.Metadata
	meta[MetaVariant] = m.Info.Variant
	meta[MetaGeneration] = m.Info.Generation
	meta[MetaClasses] = fmt.Sprint(m.Info.Classes)
	meta[MetaDistilled] = fmt.Sprint(m.Info.Distilled)
	for key, text := range map[string]string{MetaTaps: m.Info.Taps.String(), MetaHead: m.Info.Head} {
		if text != "" {
			meta[key] = text
		}
	}
	if m.Info.BNEpsilon != batchNormEpsilon {
		meta[MetaEpsilon] = fmt.Sprint(m.Info.BNEpsilon)
	}
	put := func(key string, v any) error {
		text, err := json.Marshal(v)
		if err == nil {
			meta[key] = string(text)
		}
		return err
	}
	if r := opts.reading(m); !r.zero() {
		if err := put(MetaReading, r); err != nil {
			return err
		}
	}
	if opts.Labels != nil {
		if m.Info.Classes == 0 {
			return fmt.Errorf("found %d labels, expected none: the outputs have no classes", len(opts.Labels))
		}
		if len(opts.Labels) != m.Info.Classes {
			return fmt.Errorf("found %d labels, expected one for each of %d classes", len(opts.Labels), m.Info.Classes)
		}
		if err := put(MetaLabels, opts.Labels); err != nil {
			return err
		}
	}
	if len(m.Warnings) > 0 {
		if err := put(MetaWarnings, m.Warnings); err != nil {
			return err
		}
	}
	p, err := m.preprocessing(opts)
	if err != nil || p.Height == 0 {
		return err
	}
	return put(MetaPreprocess, p)
}

// preprocessing is what the options say, then what the checkpoint says, then what the network
// was published with. It is zero for a network of other than three channels of which nothing
// says how images become its input.
func (m *Model) preprocessing(opts Options) (preprocess.Config, error) {
	p := preprocess.ImageNet(cmp.Or(opts.Height, 224), cmp.Or(opts.Width, 224), officialCrop)
	if m.Info.Family == "timm" {
		p.CropPct = timmCrop
	}
	p.Mean, p.Std = nil, nil // ImageNet's are for three channels
	stated := opts.Stated
	for _, s := range []struct {
		field, text string
		said        bool
	}{
		{"size", fmt.Sprintf("input size %d×%d", stated.Preprocess.Height, stated.Preprocess.Width), opts.Preprocess.Height != 0},
		{"crop_pct", fmt.Sprintf("crop_pct %v", stated.Preprocess.CropPct), opts.Preprocess.CropPct != 0},
		{"mean", fmt.Sprintf("mean %v and std %v", stated.Preprocess.Mean, stated.Preprocess.Std), len(opts.Preprocess.Mean) > 0},
		{"interpolation", stated.Preprocess.Interpolation + " interpolation", opts.Preprocess.Interpolation != ""},
	} {
		if at := stated.At[s.field]; at != "" && !s.said {
			m.Stated = append(m.Stated, fmt.Sprintf("%s, as %s says", s.text, at))
		}
	}
	if m.Info.Family == "timm" && stated.At["crop_pct"] == "" && opts.Preprocess.CropPct == 0 {
		m.Stated = append(m.Stated, fmt.Sprintf("crop_pct %v, timm's", timmCrop))
	}
	p = p.With(stated.Preprocess).With(opts.Preprocess)
	channels := m.Graph.Inputs[0].Type.Shape[1].Size
	if channels != 3 && len(p.Mean) == 0 && len(p.Std) == 0 {
		return preprocess.Config{}, nil
	}
	return p.For(channels)
}

// The parts of an image's short side that the two trainings kept.
const (
	officialCrop = 0.875
	timmCrop     = 0.95
)

type builder struct {
	sd     weights
	opts   Options
	layout *layout
	g      *graph.Graph
	m      *Model
	info   *Info
	used   map[string]bool
	loaded []loaded
	seen   map[string]bool // paths of modules that were built
	v1     int             // token mixers of each form
	v2     int
}

func (b *builder) warn(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(b.m.Warnings, text) {
		b.m.Warnings = append(b.m.Warnings, text)
	}
}

func (b *builder) network(l *layout) error {
	opts := b.opts
	size := func(n int, sym string) graph.Dim {
		if n > 0 {
			return graph.Fixed(n)
		}
		return graph.Symbol(sym)
	}
	channels := 3
	for _, k := range []string{".weight", ".c.weight", ".c.weight_orig"} {
		if t, ok := b.sd.get(l.stem1 + k); ok && len(t.Shape) == 4 {
			channels = t.Shape[1]
		}
	}
	if err := b.planStrides(l); err != nil {
		return err
	}
	in := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{
		size(opts.Batch, "batch"), graph.Fixed(channels), size(opts.Height, "height"), size(opts.Width, "width")}}}
	b.g.Inputs = []*graph.Value{in}

	x, c, err := b.convBN("features.0.conv1", l.stem1, in, conv{in: channels, kernel: 3, stride: l.strides[0]})
	if err != nil {
		return err
	}
	if x, err = b.activation("features.0.act", l.stemAct, x, graph.Gelu{}); err != nil {
		return err
	}
	if x, c, err = b.convBN("features.0", l.stem2, x, conv{in: c, kernel: 3, stride: l.strides[1]}); err != nil {
		return err
	}
	b.info.Stages = []Stage{{Width: c}}
	outputs := []*graph.Value{x} // of the stem and every block
	stride := 0
	for _, blk := range l.blocks {
		if blk.strided() {
			b.info.Stages = append(b.info.Stages, Stage{})
			blk.stride = l.strides[2+stride]
			stride++
		}
		if x, c, err = b.block(blk, x, c); err != nil {
			return err
		}
		outputs = append(outputs, x)
		s := &b.info.Stages[len(b.info.Stages)-1]
		s.Width = c
		s.Blocks++
		s.SE += map[bool]string{true: "1", false: "0"}[blk.se != ""]
	}
	if b.info.BNEpsilon == 0 { // a fused network has none left
		b.info.BNEpsilon = batchNormEpsilon
	}
	return b.outputs(l, outputs, c)
}

// outputs builds what the options ask for on the outputs of the stem and the blocks.
func (b *builder) outputs(l *layout, blocks []*graph.Value, c int) error {
	h, err := b.head(l, c)
	if err != nil {
		return err
	}
	x := blocks[len(blocks)-1]
	switch {
	case b.opts.Features, h == nil && !b.opts.Embedding:
		if b.opts.Softmax {
			return fmt.Errorf("the network has no head, so no logits for Softmax")
		}
		b.info.Head = "none: feature maps"
		taps, err := b.taps(l)
		if err != nil {
			return err
		}
		b.info.Taps = taps
		for i, block := range taps.Blocks {
			blocks[block].Name = fmt.Sprintf("stage%d", i+1)
			b.g.Outputs = append(b.g.Outputs, blocks[block])
		}
		return nil
	case b.opts.Embedding:
		if b.opts.Softmax {
			return fmt.Errorf("an embedding has no classes for Softmax")
		}
		b.info.Head = "none: pooled features"
		x = b.g.Add("pool", graph.GlobalAveragePool{}, x)
		b.g.Outputs = []*graph.Value{b.g.Add("embedding", graph.Flatten{}, x)}
		return nil
	}
	return b.classifier(h, x, c)
}

// conv says what a convolution must look like. The number of output channels is free
// where out is zero.
type conv struct {
	in, out, kernel int
	stride          [2]int // rows, columns
	depthwise       bool
}

// once is a stride.
var once = [2]int{1, 1}

// convBN adds a convolution and its BatchNorm ("Conv2d_BN" in the official code), or a
// fused convolution with bias, and returns its output, which gets the name given, and its
// number of channels. kernel 0 takes any odd square kernel.
func (b *builder) convBN(name, key string, x *graph.Value, c conv) (*graph.Value, int, error) {
	if b.sd.hasWeight(key) {
		w, k, err := b.kernel(key, []string{key + ".bias"}, c)
		if err != nil {
			return nil, 0, err
		}
		bias, err := b.weight(key+".bias", w.Const.Shape[0])
		if err != nil {
			return nil, 0, err
		}
		return b.g.Add(name, k, x, w, bias), w.Const.Shape[0], nil
	}
	if err := b.ordered(key, "c", "bn"); err != nil {
		return nil, 0, err
	}
	bn := key + ".bn"
	w, k, err := b.kernel(key+".c", []string{bn + ".weight", bn + ".bias", bn + ".running_mean", bn + ".running_var"}, c)
	if err != nil {
		return nil, 0, err
	}
	out := w.Const.Shape[0]
	x, err = b.batchNorm(name, bn, b.g.Add(name+".c", k, x, w), out)
	return x, out, err
}

// kernel loads the weight of the convolution at a key. Where the output channels are free, they are what
// most of the weight and its per-channel companions say, so that an error blames the
// tensor that stands alone.
func (b *builder) kernel(module string, companions []string, c conv) (*graph.Value, graph.Conv, error) {
	key := module + ".weight"
	t, ok := b.sd.get(key)
	if !ok {
		t, ok = b.sd.get(key + "_orig") // pruned
	}
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
	k := graph.Conv{Strides: c.stride, Pads: [4]int{p, p, p, p}, Group: group}
	if err := b.statedConv(module, &k, kernel); err != nil {
		return nil, k, err
	}
	return w, k, nil
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
	epsilon, err := b.epsilon(key)
	if err != nil {
		return nil, err
	}
	return b.g.Add(name, graph.BatchNorm{Epsilon: epsilon}, in...), nil
}

func (b *builder) block(k block, x *graph.Value, c int) (*graph.Value, int, error) {
	var err error
	token := k.name + ".token_mixer"
	if k.strided() {
		x, _, err = b.convBN(token+".dw", k.token, x, conv{in: c, stride: k.stride, depthwise: true})
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
		if x, c, err = b.convBN(token+".pw", k.pointwise, x, conv{in: c, kernel: 1, stride: once}); err != nil {
			return nil, 0, err
		}
	}
	mixer := k.name + ".channel_mixer"
	y, hidden, err := b.convBN(mixer+".conv1", k.mix1, x, conv{in: c, kernel: 1, stride: once})
	if err != nil {
		return nil, 0, err
	}
	if y, err = b.activation(mixer+".act", k.mixAct, y, graph.Gelu{}); err != nil {
		return nil, 0, err
	}
	if y, _, err = b.convBN(mixer+".conv2", k.mix2, y, conv{in: hidden, out: c, kernel: 1, stride: once}); err != nil {
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
	if b.sd.hasWeight(key) {
		y, _, err := b.convBN(name, key, x, conv{in: c, stride: once, depthwise: true})
		return y, err
	}
	y, _, err := b.convBN(name+".conv", key+".conv", x, conv{in: c, stride: once, depthwise: true})
	if err != nil {
		return nil, err
	}
	point := conv{in: c, kernel: 1, stride: once, depthwise: true}
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
	if err := b.attribute(key, "add_maxpool", false, "False"); err != nil {
		return nil, err
	}
	y := b.g.Add(name+".squeeze", graph.GlobalAveragePool{}, x)
	y, r, err := b.convBN(name+".fc1", key+".fc1", y, conv{in: c, kernel: 1, stride: once})
	if err != nil {
		return nil, err
	}
	if y, err = b.activation(name+".act", key+".act", y, graph.Relu{}); err != nil {
		return nil, err
	}
	if y, _, err = b.convBN(name+".fc2", key+".fc2", y, conv{in: r, out: c, kernel: 1, stride: once}); err != nil {
		return nil, err
	}
	if y, err = b.activation(name+".gate", key+".gate", y, graph.Sigmoid{}); err != nil {
		return nil, err
	}
	return b.g.Add(name, graph.Mul{}, x, y), nil
}

// classifier adds the heads on the last block's output.
func (b *builder) classifier(h *heads, x *graph.Value, c int) error {
	x = b.g.Add("pool", graph.GlobalAveragePool{}, x)
	x = b.g.Add("flatten", graph.Flatten{}, x)
	var logits []*graph.Value
	for _, chain := range h.own {
		y, err := b.chain(chain, x, c, b.info.Classes) // the first head decides on the classes
		if err != nil {
			return err
		}
		logits = append(logits, y)
	}
	b.info.Distilled = len(logits) == 2
	var out *graph.Value
	switch len(logits) {
	case 1:
		out = logits[0]
	case 2:
		out = b.g.Add("mean", graph.Mean{}, logits...)
	}
	if h.outer != nil {
		from, in := x, c
		if out != nil {
			from, in = out, b.info.Classes
		}
		var err error
		if out, err = b.chain(*h.outer, from, in, 0); err != nil {
			return err
		}
		b.info.Head = h.text
	}
	out.Name = "logits"
	if b.opts.Softmax {
		if b.info.Classes == 1 {
			return fmt.Errorf("found one class, of which Softmax is always 1, expected two or more; leave Softmax off and apply a sigmoid to the logit")
		}
		out = b.g.Add("probabilities", graph.Softmax{}, out)
	}
	b.g.Outputs = []*graph.Value{out}
	return nil
}

// chain adds one fully connected layer with what stands around it. classes 0 takes any
// number; the layer decides.
func (b *builder) chain(h chain, x *graph.Value, in, classes int) (*graph.Value, error) {
	var err error
	if h.before != "" {
		if x, err = b.batchNorm(h.name+".bn", h.before, x, in); err != nil {
			return nil, err
		}
	}
	if t, ok := b.sd.get(h.linear + ".weight"); classes == 0 && ok && len(t.Shape) == 2 {
		classes = t.Shape[0]
	}
	if classes == 0 {
		classes = -1
	}
	if err := b.isClass(h.linear, linearClasses, "Linear"); err != nil {
		return nil, err
	}
	w, err := b.weight(h.linear+".weight", classes, in)
	if err != nil {
		return nil, err
	}
	operands := []*graph.Value{x, w}
	b.info.Classes = w.Const.Shape[0]
	if _, ok := b.sd.get(h.linear + ".bias"); ok {
		bias, err := b.weight(h.linear+".bias", b.info.Classes)
		if err != nil {
			return nil, err
		}
		operands = append(operands, bias)
	}
	if h.after == "" {
		return b.g.Add(h.name, graph.Gemm{}, operands...), nil
	}
	return b.batchNorm(h.name, h.after, b.g.Add(h.name+".l", graph.Gemm{}, operands...), b.info.Classes)
}

// weight loads a tensor as a float32 weight and checks its shape, where −1 stands for any
// size. Its elements are checked when all are loaded.
func (b *builder) weight(key string, want ...int) (*graph.Value, error) {
	t, ok := b.sd.get(key)
	if !ok {
		if mask, pruned := b.sd.get(key + "_mask"); pruned {
			return b.pruned(key, mask, want)
		}
		return nil, &KeyError{Key: key, Want: shapeText(want), Hint: b.missing(key)}
	}
	if err := fits(key, t, want); err != nil {
		return nil, err
	}
	values, err := b.values(key, t)
	if err != nil {
		return nil, err
	}
	return graph.Weight(strings.TrimPrefix(key, absolute), graph.Float32Tensor(slices.Clone(t.Shape), values)), nil
}

// pruned loads what torch.nn.utils.prune stores as a weight and a mask: their product.
func (b *builder) pruned(key string, mask *pytorch.Tensor, want []int) (*graph.Value, error) {
	t, ok := b.sd.get(key + "_orig")
	if !ok {
		return nil, &KeyError{Key: key + "_orig", Want: shapeText(want)}
	}
	if err := fits(key+"_orig", t, want); err != nil {
		return nil, err
	}
	if err := fits(key+"_mask", mask, t.Shape); err != nil {
		return nil, err
	}
	values, err := b.values(key+"_orig", t)
	if err != nil {
		return nil, err
	}
	factors, err := b.values(key+"_mask", mask)
	if err != nil {
		return nil, err
	}
	product := make([]float32, len(values))
	for i, v := range values {
		product[i] = v * factors[i]
	}
	return graph.Weight(strings.TrimPrefix(key, absolute), graph.Float32Tensor(slices.Clone(t.Shape), product)), nil
}

func fits(key string, t *pytorch.Tensor, want []int) error {
	ok := len(t.Shape) == len(want)
	for i := 0; ok && i < len(want); i++ {
		ok = t.Shape[i] > 0 && (want[i] == t.Shape[i] || want[i] < 0)
	}
	if ok {
		return nil
	}
	if err := t.Usable(); err != nil && len(t.Shape) == 0 {
		return fmt.Errorf("key %q: %w", key, err) // the shape is not known either
	}
	return &KeyError{Key: key, Found: append([]int{}, t.Shape...), Want: shapeText(want)}
}

func (b *builder) values(key string, t *pytorch.Tensor) ([]float32, error) {
	b.used[key] = true
	values, err := t.Float32s()
	if err == nil && !t.DType.Float() {
		err = fmt.Errorf("%w: it is of type %s, expected floating point; give the checkpoint that was not quantized", pytorch.ErrUnsupported, t.DType)
	}
	if err != nil {
		return nil, fmt.Errorf("key %q: %w", key, err)
	}
	b.loaded = append(b.loaded, loaded{key: key, values: values})
	return values, nil
}

// missing says why a key may be missing.
func (b *builder) missing(key string) string {
	base, last := key, ""
	if i := strings.LastIndexByte(key, '.'); i >= 0 {
		base, last = key[:i], key[i+1:]
	}
	has := func(k string) bool { _, ok := b.sd.get(k); return ok }
	switch {
	case has(key + "_g"), has(base + ".parametrizations." + last + ".original0"):
		return "it is parametrized (weight norm); call torch.nn.utils.remove_weight_norm or parametrize.remove_parametrizations before saving"
	case has(base + ".parametrizations." + last + ".original"), has(key + "_orig"):
		return "it is parametrized; call torch.nn.utils.parametrize.remove_parametrizations or prune.remove before saving"
	case has(base + ".base_layer." + last), has(base + ".lora_A.weight"):
		return "it has adapters (LoRA); call merge_and_unload() before saving"
	case strings.HasPrefix(last, "running_") && has(base+".weight"):
		return "BatchNorm's running statistics are not in the file, which are no parameters; save state_dict(), not parameters()"
	}
	return ""
}

// leftover returns the keys outside the network, or an error where a key inside it was not
// used.
func (b *builder) leftover(l *layout) ([]string, error) {
	var ignored []string
	for _, k := range b.sd.sd.Keys() {
		key, inside := strings.CutPrefix(k, b.sd.prefix)
		if b.used[key] && inside || b.used[absolute+k] {
			continue
		}
		scope, _, _ := strings.Cut(key, ".")
		inside = inside && l.inside(scope) && !leftBehind(key)
		if inside && b.noHead() && l.isHead(scope) {
			inside = false
		}
		if !inside {
			ignored = append(ignored, b.sd.sd.Spelled(k))
			continue
		}
		t, _ := b.sd.sd.Get(k)
		return nil, &KeyError{Key: b.sd.sd.Spelled(k), Found: append([]int{}, t.Shape...), Want: "no such key in this network"}
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

// noHead reports whether the graph ends before the heads.
func (b *builder) noHead() bool { return b.opts.Features || b.opts.Embedding }

// bookkeeping are the last parts of names of what tools leave behind in a state dict, which
// computes nothing: thop's counts, and the observers of quantization-aware training, whose
// float weights are what the network computes with.
var bookkeeping = []string{"total_ops", "total_params", "num_batches_tracked"}

// observers are parts of names below which quantization-aware training keeps its ranges.
var observers = []string{"activation_post_process", "weight_fake_quant", "activation_post_process_0", "fake_quant"}

func leftBehind(key string) bool {
	parts := strings.Split(key, ".")
	return slices.Contains(bookkeeping, parts[len(parts)-1]) ||
		slices.ContainsFunc(parts, func(p string) bool { return slices.Contains(observers, p) })
}

// unusual warns of what no published network has and the tensors cannot tell.
func (b *builder) unusual() {
	if n := len(b.info.Stages); n != 4 && b.opts.Strides == nil && !b.whole() {
		b.warn("found %d stages, where every published RepViT has 4: their strides are not in the file, and are taken to be 2", n)
	}
	if b.opts.BNEpsilon == 0 && !b.whole() && b.opts.Stated.BNEpsilon != 0 {
		b.warn("BatchNorm's epsilon is %v, as %s says", b.info.BNEpsilon, b.opts.Stated.At["bn_epsilon"])
	}
	for _, n := range b.g.Nodes {
		if c, ok := n.Op.(graph.Conv); ok && c.Group > 1 {
			if k := n.Inputs[1].Const.Shape[2]; k != 3 && k != 1 {
				b.warn("found depthwise kernels of %d×%d, where every published RepViT has 3×3", k, k)
				return
			}
		}
	}
}
