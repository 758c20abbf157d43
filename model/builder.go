package model

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/pytorch"
)

// Builder makes the graph of a network out of weights that are named by keys, which are below
// the network's prefix. Its methods check shapes and what a whole module states; their errors
// name keys and modules.
type Builder struct {
	Options
	Graph *graph.Graph
	Info  *Info

	sd       weights
	net      *Network
	families []Family
	m        *Model
	used     map[string]bool
	loaded   []loaded
	seen     map[string]bool // paths of modules that were built
	wrong    []*KeyError     // keys that do not fit, in whose place zeros stand until all are found
	zeros    []float32
	standing int    // how many zeros, all together
	doubt    string // about strides; empty for none

	// Of a network that has the backbone as a part.
	whole   *Whole
	root    string // what stands before its keys
	beside  *Keys  // those that are not the backbone's, without root
	palette [][3]uint8
	weights map[string]*graph.Value
}

// Warn adds a warning: something that no published network has, or had to be assumed.
func (b *Builder) Warn(format string, args ...any) {
	if text := fmt.Sprintf(format, args...); !slices.Contains(b.m.Warnings, text) {
		b.m.Warnings = append(b.m.Warnings, text)
	}
}

// Note adds what was taken from the file by a rule.
func (b *Builder) Note(format string, args ...any) {
	b.m.Notes = append(b.m.Notes, fmt.Sprintf(format, args...))
}

// Groups returns the groups of the convolution at a key over c channels, which its weight's
// second axis tells.
func (b *Builder) Groups(key string, c int) int {
	s := b.Shape(key + ".weight")
	if s == nil {
		s = b.Shape(key + ".weight_orig")
	}
	if len(s) == 4 && s[1] > 0 && c%s[1] == 0 {
		return c / s[1]
	}
	return 1
}

// StageStrides returns the strides of n stages' first blocks: 2, or what the options say.
func (b *Builder) StageStrides(n int) ([][2]int, error) {
	strides := slices.Repeat([][2]int{{2, 2}}, n)
	if b.Strides == nil {
		if n != 4 && !b.Whole() {
			b.DoubtStrides("found %d stages, where every published %s has 4: their strides are not in the file", n, b.net.Family)
		}
		return strides, nil
	}
	if len(b.Strides) != n {
		return nil, fmt.Errorf("%w: found %d, expected %d, one for each stage", ErrStrides, len(b.Strides), n)
	}
	for _, s := range b.Strides {
		if s[0] < 1 || s[1] < 1 || s[0] > MaxStride || s[1] > MaxStride {
			return nil, fmt.Errorf("%w: found %d×%d, expected 1 to %d", ErrStrides, s[0], s[1], MaxStride)
		}
	}
	return b.Strides, nil
}

// Stack is a stem and stages of blocks, each of one width: what [Builder.Stack] adds.
type Stack struct {
	Stem string                        // key
	Key  func(stage, block int) string // of a block, both counted from 0
	Has  func(key string) bool         // whether there is a block
	SE   func(key string) bool         // whether a block has squeeze-and-excitation
	// Block adds one block of c input channels and returns its output and channels.
	Block func(name, key string, x *graph.Value, c int, stride [2]int) (*graph.Value, int, error)
}

// Stack adds a stem of stride 2 and stages whose first blocks have the strides of
// [Builder.StageStrides]. It returns the outputs of stem and blocks, which are named
// features.0, features.1, …, and the channels of the last.
func (b *Builder) Stack(s Stack, x *graph.Value) ([]*graph.Value, int, error) {
	var depths []int
	for i := 0; s.Has(s.Key(i, 0)); i++ {
		depth := 1
		for s.Has(s.Key(i, depth)) {
			depth++
		}
		depths = append(depths, depth)
	}
	strides, err := b.StageStrides(len(depths))
	if err != nil {
		return nil, 0, err
	}
	var blocks []*graph.Value
	c := x.Type.Shape[1].Size
	add := func(key string, stride [2]int) (err error) {
		x, c, err = s.Block(fmt.Sprintf("features.%d", len(blocks)), key, x, c, stride)
		blocks = append(blocks, x)
		return err
	}
	if err := add(s.Stem, [2]int{2, 2}); err != nil {
		return nil, 0, err
	}
	for i, depth := range depths {
		stage := Stage{Blocks: depth}
		for j := range depth {
			key, stride := s.Key(i, j), Once
			if j == 0 {
				stride = strides[i]
			}
			if err := add(key, stride); err != nil {
				return nil, 0, err
			}
			stage.SE += map[bool]string{true: "1", false: "0"}[s.SE(key)]
		}
		stage.Width = c
		b.Info.Stages = append(b.Info.Stages, stage)
	}
	return blocks, c, nil
}

// DoubtStrides says that strides are not in the file and were taken to be as published. For
// logits that is a warning; for feature maps, whose sizes depend on it, an error.
func (b *Builder) DoubtStrides(format string, args ...any) { b.doubt = fmt.Sprintf(format, args...) }

// Has reports whether there is a tensor under a key.
func (b *Builder) Has(key string) bool {
	_, ok := b.sd.get(key)
	return ok
}

// HasWeight reports whether the module at a key has a weight of its own.
func (b *Builder) HasWeight(key string) bool { return b.sd.hasWeight(key) }

// Prefix is what stands before the network's keys in the file's.
func (b *Builder) Prefix() string { return b.sd.prefix }

// Shape returns a tensor's shape; nil where there is none.
func (b *Builder) Shape(key string) []int {
	t, ok := b.sd.get(key)
	if !ok {
		return nil
	}
	return t.Shape
}

// network builds the graph: input, blocks, and what the options ask for on them.
func (b *Builder) network() error {
	if b.net.Whole != nil {
		return b.net.Whole(b)
	}
	size := func(n int, sym string) graph.Dim {
		if n > 0 {
			return graph.Fixed(n)
		}
		return graph.Symbol(sym)
	}
	channels := 3
	for _, k := range b.net.Input {
		for _, suffix := range []string{".weight", ".weight_orig"} {
			if s := b.Shape(k + suffix); len(s) == 4 {
				channels = s[1]
			}
		}
	}
	in := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{
		size(b.Batch, "batch"), graph.Fixed(channels), size(b.Height, "height"), size(b.Width, "width")}}}
	b.Graph.Inputs = []*graph.Value{in}
	blocks, c, err := b.net.Build(b, in)
	if err != nil {
		return err
	}
	if b.Info.BNEpsilon == 0 { // a fused network has none left
		b.Info.BNEpsilon = batchNormEpsilon
	}
	return b.outputs(blocks, c)
}

// outputs builds what the options ask for on the outputs of the stem and the blocks.
func (b *Builder) outputs(blocks []*graph.Value, c int) error {
	if b.whole != nil {
		return b.outputsOfWhole(blocks)
	}
	if err := b.optionsFit(false, false, false, "a "+b.net.Family+" alone"); err != nil {
		return err
	}
	h, err := b.head(c)
	if err != nil {
		return err
	}
	x := blocks[len(blocks)-1]
	features := b.Features || h == nil && !b.Embedding
	switch {
	case b.doubt != "" && features:
		return fmt.Errorf("%w: %s; say what they are", ErrStrides, b.doubt)
	case b.doubt != "":
		b.Warn("%s, and are taken to be as published", b.doubt)
	}
	switch {
	case features:
		if b.Softmax {
			return fmt.Errorf("the network has no head, so no logits for Softmax")
		}
		b.Info.Head = "none: feature maps"
		taps, err := b.taps(len(blocks) - 1)
		if err != nil {
			return err
		}
		b.Info.Taps = taps
		for i, block := range taps.Blocks {
			blocks[block].Name = fmt.Sprintf("stage%d", i+1)
			b.Graph.Outputs = append(b.Graph.Outputs, blocks[block])
		}
		return nil
	case b.Embedding:
		if b.Softmax {
			return fmt.Errorf("an embedding has no classes for Softmax")
		}
		b.Info.Head = "none: pooled features"
		y, _, err := b.pool(x, c)
		if err != nil {
			return err
		}
		y.Name = "embedding"
		b.Graph.Outputs = []*graph.Value{y}
		return nil
	}
	return b.classifier(h, x, c)
}

// Conv says what a convolution must look like. The number of output channels is free where
// Out is zero; the kernel is any odd square where Kernel is zero.
type Conv struct {
	In, Out, Kernel int
	Stride          [2]int // rows, columns
	Group           int    // 0 for 1
	Depthwise       bool   // a group for each channel
}

// Once is a stride.
var Once = [2]int{1, 1}

// Conv adds the convolution at a key, with the bias that it may have, and returns its output,
// which gets the name given, and its number of channels.
func (b *Builder) Conv(name, key string, x *graph.Value, c Conv) (*graph.Value, int, error) {
	w, k, err := b.kernel(key, []string{key + ".bias"}, c)
	if err != nil {
		return nil, 0, err
	}
	out := w.Const.Shape[0]
	if !b.Has(key+".bias") && !b.Has(key+".bias_orig") {
		return b.Graph.Add(name, k, x, w), out, nil
	}
	bias, err := b.Weight(key+".bias", out)
	if err != nil {
		return nil, 0, err
	}
	return b.Graph.Add(name, k, x, w, bias), out, nil
}

// FusedConv is [Builder.Conv] with a bias that must be there.
func (b *Builder) FusedConv(name, key string, x *graph.Value, c Conv) (*graph.Value, int, error) {
	if !b.Has(key + ".bias") {
		w, _, err := b.kernel(key, []string{key + ".bias"}, c)
		if err != nil {
			return nil, 0, err
		}
		return nil, 0, &KeyError{Key: key + ".bias", Want: shapeText(w.Const.Shape[:1])}
	}
	return b.Conv(name, key, x, c)
}

// ConvNorm adds the convolution at one key, without bias, and the BatchNorm at another, in a
// module that runs them in this order.
func (b *Builder) ConvNorm(name, module, conv, norm string, x *graph.Value, c Conv) (*graph.Value, int, error) {
	if err := b.Ordered(module, conv, norm); err != nil {
		return nil, 0, err
	}
	conv, norm = module+"."+conv, module+"."+norm
	w, k, err := b.kernel(conv, []string{norm + ".weight", norm + ".bias", norm + ".running_mean", norm + ".running_var"}, c)
	if err != nil {
		return nil, 0, err
	}
	out := w.Const.Shape[0]
	x, err = b.Norm(name, norm, b.Graph.Add(name+".c", k, x, w), out)
	return x, out, err
}

// kernel loads the weight of the convolution at a key. Where the output channels are free, they are what
// most of the weight and its per-channel companions say, so that an error blames the
// tensor that stands alone.
func (b *Builder) kernel(module string, companions []string, c Conv) (*graph.Value, graph.Conv, error) {
	key := module + ".weight"
	t, ok := b.sd.get(key)
	if !ok {
		t, ok = b.sd.get(key + "_orig") // pruned
	}
	votes := map[int]int{}
	kernel := c.Kernel
	if ok && len(t.Shape) == 4 {
		votes[t.Shape[0]]++
		if kernel == 0 && t.Shape[2]%2 == 1 {
			kernel = t.Shape[2]
		}
	}
	if kernel == 0 {
		kernel = 3
	}
	if c.Depthwise {
		c.Out = c.In
	}
	if c.Out == 0 {
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
		c.Out = best
	}
	group := max(c.Group, 1)
	if c.Depthwise {
		group = c.In
	}
	in := c.In / group
	w, err := b.Weight(key, c.Out, in, kernel, kernel)
	if err != nil {
		return nil, graph.Conv{}, err
	}
	p := (kernel - 1) / 2
	k := graph.Conv{Strides: c.Stride, Pads: [4]int{p, p, p, p}, Group: group}
	if err := b.statedConv(module, &k, kernel); err != nil {
		return nil, k, err
	}
	return w, k, nil
}

// Norm adds the BatchNorm at a key of n channels.
func (b *Builder) Norm(name, key string, x *graph.Value, n int) (*graph.Value, error) {
	in := []*graph.Value{x}
	for _, k := range []string{".weight", ".bias", ".running_mean", ".running_var"} {
		w, err := b.Weight(key+k, n)
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
	return b.Graph.Add(name, graph.BatchNorm{Epsilon: epsilon}, in...), nil
}

// ConvNormAt is [Builder.ConvNorm] where the two stand in no module of their own.
func (b *Builder) ConvNormAt(name, conv, norm string, x *graph.Value, c Conv) (*graph.Value, int, error) {
	w, k, err := b.kernel(conv, []string{norm + ".weight", norm + ".bias", norm + ".running_mean", norm + ".running_var"}, c)
	if err != nil {
		return nil, 0, err
	}
	out := w.Const.Shape[0]
	x, err = b.Norm(name, norm, b.Graph.Add(name+".c", k, x, w), out)
	return x, out, err
}

// Linear adds the fully connected layer at a key, for any number of outputs, which it returns.
func (b *Builder) Linear(name, key string, x *graph.Value, in int) (*graph.Value, int, error) {
	y, err := b.chain(chain{name: name, linear: key}, x, in, 0)
	return y, b.Info.Classes, err
}

// SqueezeExcite names the parts of squeeze-and-excitation ("Squeeze-and-Excitation Networks",
// CVPR 2018): x·gate(expand(act(reduce(mean x)))).
type SqueezeExcite struct {
	Pool           string // key of the module that takes the mean; empty where the code calls a function
	Reduce, Expand string // keys of the 1×1 convolutions
	Act, Gate      string // keys of the modules between and behind them; empty where the code calls functions
	ActOp, GateOp  graph.Op
}

// SqueezeExcite adds squeeze-and-excitation of c channels.
func (b *Builder) SqueezeExcite(name, key string, s SqueezeExcite, x *graph.Value, c int) (*graph.Value, error) {
	if err := b.Attribute(key, "add_maxpool", false, "False"); err != nil {
		return nil, err
	}
	if s.Pool != "" {
		if err := b.isClass(s.Pool, []string{"torch.nn.modules.pooling.AdaptiveAvgPool2d"}, "AdaptiveAvgPool2d"); err != nil {
			return nil, err
		}
		if err := b.Attribute(s.Pool, "output_size", 1, "1"); err != nil {
			return nil, err
		}
	}
	y := b.Graph.Add(name+".squeeze", graph.GlobalAveragePool{}, x)
	y, r, err := b.FusedConv(name+".fc1", s.Reduce, y, Conv{In: c, Kernel: 1, Stride: Once})
	if err != nil {
		return nil, err
	}
	if y, err = b.Activation(name+".act", s.Act, y, s.ActOp); err != nil {
		return nil, err
	}
	if y, _, err = b.FusedConv(name+".fc2", s.Expand, y, Conv{In: r, Out: c, Kernel: 1, Stride: Once}); err != nil {
		return nil, err
	}
	if y, err = b.Activation(name+".gate", s.Gate, y, s.GateOp); err != nil {
		return nil, err
	}
	return b.Graph.Add(name, graph.Mul{}, x, y), nil
}

// pool makes the last block's output N×C.
func (b *Builder) pool(x *graph.Value, c int) (*graph.Value, int, error) {
	if b.net.Pool != nil {
		return b.net.Pool(b, x, c)
	}
	x = b.Graph.Add("pool", graph.GlobalAveragePool{}, x)
	return b.Graph.Add("flatten", graph.Flatten{}, x), c, nil
}

// classifier adds the heads on the last block's output.
func (b *Builder) classifier(h *heads, x *graph.Value, c int) error {
	x, c, err := b.pool(x, c)
	if err != nil {
		return err
	}
	var logits []*graph.Value
	if h.whole {
		y, err := b.net.Head(b, x, c)
		if err != nil {
			return err
		}
		logits = append(logits, y)
	}
	for _, chain := range h.own {
		y, err := b.chain(chain, x, c, b.Info.Classes) // the first head decides on the classes
		if err != nil {
			return err
		}
		logits = append(logits, y)
	}
	b.Info.Distilled = len(logits) == 2
	var out *graph.Value
	switch len(logits) {
	case 1:
		out = logits[0]
	case 2:
		out = b.Graph.Add("mean", graph.Mean{}, logits...)
	}
	if h.outer != nil {
		from, in := x, c
		if out != nil {
			from, in = out, b.Info.Classes
		}
		var err error
		if out, err = b.chain(*h.outer, from, in, 0); err != nil {
			return err
		}
		b.Info.Head = h.text
	}
	out.Name = "logits"
	if b.Softmax {
		if b.Info.Classes == 1 {
			return fmt.Errorf("found one class, of which Softmax is always 1, expected two or more; leave Softmax off and apply a sigmoid to the logit")
		}
		out = b.Graph.Add("probabilities", graph.Softmax{}, out)
	}
	b.Graph.Outputs = []*graph.Value{out}
	return nil
}

// chain adds one fully connected layer with what stands around it. classes 0 takes any
// number; the layer decides.
func (b *Builder) chain(h chain, x *graph.Value, in, classes int) (*graph.Value, error) {
	var err error
	if h.before != "" {
		if x, err = b.Norm(h.name+".bn", h.before, x, in); err != nil {
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
	w, err := b.Weight(h.linear+".weight", classes, in)
	if err != nil {
		return nil, err
	}
	operands := []*graph.Value{x, w}
	b.Info.Classes = w.Const.Shape[0]
	if _, ok := b.sd.get(h.linear + ".bias"); ok {
		bias, err := b.Weight(h.linear+".bias", b.Info.Classes)
		if err != nil {
			return nil, err
		}
		operands = append(operands, bias)
	}
	if h.after == "" {
		return b.Graph.Add(h.name, graph.Gemm{}, operands...), nil
	}
	return b.Norm(h.name, h.after, b.Graph.Add(h.name+".l", graph.Gemm{}, operands...), b.Info.Classes)
}

// Weight loads a tensor as a float32 weight and checks its shape, where −1 stands for any
// size. Its elements are checked when all are loaded.
func (b *Builder) Weight(key string, want ...int) (*graph.Value, error) {
	t, ok := b.sd.get(key)
	if !ok {
		if mask, pruned := b.sd.get(key + "_mask"); pruned {
			return b.pruned(key, mask, want)
		}
		return b.standIn(&KeyError{Key: key, Want: shapeText(want), Hint: b.missing(key)}, want)
	}
	if err := fits(key, t, want); err != nil {
		if e, ok := errors.AsType[*KeyError](err); ok {
			b.used[key] = true
			return b.standIn(e, want)
		}
		return nil, err
	}
	if w := b.weights[key]; w != nil {
		return w, nil // layers share it
	}
	values, err := b.values(key, t)
	if err != nil {
		return nil, err
	}
	w := graph.Weight(strings.TrimPrefix(key, absolute), graph.Float32Tensor(slices.Clone(t.Shape), values))
	b.weights[key] = w
	return w, nil
}

// Of keys that do not fit so many are found, and so many zeros are in the places of all.
const (
	maxWrong = 1 << 12
	maxZeros = 1 << 24
)

// standIn notes a key that does not fit and returns a weight for it all the same, so that others are
// found as well. Where its size is not known or very large, the error ends the search.
func (b *Builder) standIn(e *KeyError, want []int) (*graph.Value, error) {
	b.wrong = append(b.wrong, e)
	n := 1
	for _, d := range want {
		if d < 1 || d > maxZeros/n {
			return nil, e
		}
		n *= d
	}
	if b.standing += n; b.standing > maxZeros || len(b.wrong) == maxWrong {
		return nil, e
	}
	if n > len(b.zeros) {
		b.zeros = make([]float32, n)
	}
	b.loaded = append(b.loaded, loaded{key: e.Key, values: b.zeros[:n]})
	return graph.Weight(e.Key, graph.Float32Tensor(slices.Clone(want), b.zeros[:n:n])), nil
}

// keysFit returns an error about all keys that do not fit, those inside the network that nothing
// used among them; err is the one that ended the building, if any.
func (b *Builder) keysFit(err error) (ignored []string, _ error) {
	all := b.wrong
	switch e, ok := errors.AsType[*KeyError](err); {
	case err == nil:
		var unexpected []*KeyError
		ignored, unexpected = b.leftover()
		all = append(all, unexpected...)
	case len(all) == 0:
		return nil, err
	case ok && !slices.Contains(all, e):
		all = append(all, e)
	}
	switch len(all) {
	case 0:
		return ignored, nil
	case 1:
		return nil, all[0]
	}
	return nil, &KeysError{all}
}

// pruned loads what torch.nn.utils.prune stores as a weight and a mask: their product.
func (b *Builder) pruned(key string, mask *pytorch.Tensor, want []int) (*graph.Value, error) {
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

func (b *Builder) values(key string, t *pytorch.Tensor) ([]float32, error) {
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
func (b *Builder) missing(key string) string {
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

// leftover returns the keys outside the network, and errors about those inside it that were not
// used.
func (b *Builder) leftover() (ignored []string, unexpected []*KeyError) {
	for _, k := range b.sd.sd.Keys() {
		key, inside := strings.CutPrefix(k, b.sd.prefix)
		if b.used[key] && inside || b.used[absolute+k] {
			continue
		}
		scope, _, _ := strings.Cut(key, ".")
		inside = inside && b.net.inside(scope) && !leftBehind(key)
		if b.whole != nil && !inside {
			rest, below := strings.CutPrefix(k, b.root)
			scope, _, _ := strings.Cut(rest, ".")
			inside = below && slices.Contains(b.whole.Scopes, scope) && !leftBehind(k)
		}
		if inside && b.noHead() && b.net.isHead(scope) {
			inside = false
		}
		if !inside {
			ignored = append(ignored, b.sd.sd.Spelled(k))
			continue
		}
		t, _ := b.sd.sd.Get(k)
		unexpected = append(unexpected, &KeyError{Key: absolute + k, Found: append([]int{}, t.Shape...), Want: "no such key in this network", Unexpected: true})
	}
	return ignored, unexpected
}

// noHead reports whether the graph ends before the heads.
func (b *Builder) noHead() bool { return b.Features || b.Embedding }

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

// unusual warns of what the tensors cannot tell.
func (b *Builder) unusual() {
	if b.BNEpsilon == 0 && !b.Whole() && b.Stated.BNEpsilon != 0 {
		b.Warn("BatchNorm's epsilon is %v, as %s says", b.Info.BNEpsilon, b.Stated.At["bn_epsilon"])
	}
}

// AllKeys returns the names of all tensors of the state dict, those outside the network among
// them.
func (b *Builder) AllKeys() []string { return b.sd.sd.Keys() }
