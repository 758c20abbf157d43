// Package mobilenetv3 knows the names of MobileNetV3 ("Searching for MobileNetV3", ICCV 2019,
// arXiv 1905.02244), from which RepViT was developed: inverted residuals with
// squeeze-and-excitation, ReLU in the first of them and HardSwish in the others. It reads
// torchvision's names and timm's.
//
// Neither activations nor strides are in a state dict: they are those of the published Large
// and Small, which the number of blocks tells apart; a whole module states its own. torchvision
// trains with a BatchNorm epsilon of 1e-3, timm with 1e-5. timm's networks that begin with tf_ have
// the same names and another epsilon and padding; they are not told apart.
//
// # Stability
//
// Within a major version, what is read stays readable with the same result. The names of the package
// are for package family and may change with a minor version.
package mobilenetv3

import (
	"fmt"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/pytorch"
)

// block is one inverted residual as keys: prefixes of its convolutions and BatchNorms.
type block struct {
	expand, depthwise, project part // expand is empty where the block has none
	se                         model.SqueezeExcite
	seKey                      string
	expandAct, depthwiseAct    string
	module, skip               string // the block itself, and the attribute by which a whole module says that it has a residual
}

// part is a convolution, its BatchNorm and the module that runs both, as keys.
type part struct{ module, conv, norm string }

func (p part) key(name string) string {
	if p.module == "" {
		return name
	}
	return p.module + "." + name
}

// layout is a network as its keys spell it.
type layout struct {
	naming        string
	stem          part
	stemAct       string
	blocks        []block
	last          part // the 1×1 convolution behind the blocks
	lastAct       string
	convHead      string // timm's, behind the pooling
	published     *published
	scopes, heads []string
}

// published says what the tensors of Large or Small do not.
type published struct {
	name    string
	strides []int // of each block
	relu    int   // blocks from the first on with ReLU
}

var (
	large = published{"Large", []int{1, 2, 1, 2, 1, 1, 2, 1, 1, 1, 1, 1, 2, 1, 1}, 6}
	small = published{"Small", []int{2, 2, 1, 2, 1, 1, 1, 1, 2, 1, 1}, 3}
)

// Family is MobileNetV3 for package model.
func Family() model.Family {
	return model.Family{Name: "MobileNetV3", Networks: networks, Detect: func(k *model.Keys) (*model.Network, error) {
		l := torchvision(k)
		if l == nil {
			l = timm(k)
		}
		if l == nil {
			return nil, nil
		}
		switch len(l.blocks) {
		case len(large.strides):
			l.published = &large
		case len(small.strides):
			l.published = &small
		default:
			return nil, fmt.Errorf("%w: a MobileNetV3 of %d blocks, expected %d (Large) or %d (Small), whose strides and activations are known", model.ErrFamily, len(l.blocks), len(large.strides), len(small.strides))
		}
		return l.network(), nil
	}}
}

func networks(sd *pytorch.StateDict) []string {
	return model.PrefixesOf(sd, "features.1.block.0.0.weight", "blocks.0.0.conv_dw.weight")
}

// torchvision reads features.0.0, features.1.block.0.0, …; nil where the keys are others'.
func torchvision(k *model.Keys) *layout {
	if !k.Below("features.1.block.0") || !k.Has("features.0.0.weight") {
		return nil
	}
	conv := func(module string) part { return part{module, "0", "1"} }
	l := &layout{naming: "torchvision", stem: conv("features.0"), stemAct: "features.0.2", scopes: []string{"features"}, heads: []string{"classifier"}}
	i := 1
	for ; k.Below(fmt.Sprintf("features.%d.block", i)); i++ {
		p := fmt.Sprintf("features.%d.block.", i)
		// The expansion is left out where it would not expand; squeeze-and-excitation stands
		// before the projection, which is last.
		n := 0
		for k.Below(fmt.Sprintf("%s%d", p, n)) {
			n++
		}
		at := func(j int) string { return fmt.Sprintf("%s%d", p, j) }
		b := block{project: conv(at(n - 1)), module: fmt.Sprintf("features.%d", i), skip: "use_res_connect"}
		j := 0
		se := n >= 2 && k.HasWeight(at(n-2)+".fc1")
		convs := n - 1
		if se {
			convs--
			s := at(n - 2)
			b.seKey, b.se = s, model.SqueezeExcite{Pool: s + ".avgpool", Reduce: s + ".fc1", Expand: s + ".fc2", Act: s + ".activation", Gate: s + ".scale_activation", ActOp: graph.Relu{}, GateOp: gate}
		}
		if convs == 2 {
			b.expand, b.expandAct, j = conv(at(0)), at(0)+".2", 1
		}
		b.depthwise, b.depthwiseAct = conv(at(j)), at(j)+".2"
		l.blocks = append(l.blocks, b)
	}
	last := fmt.Sprintf("features.%d", i)
	l.last, l.lastAct = conv(last), last+".2"
	return l
}

// timm reads conv_stem, blocks.0.0.conv_dw, …
func timm(k *model.Keys) *layout {
	if !k.Has("conv_stem.weight") || !k.Below("blocks.0.0.conv_dw") || !k.Below("conv_head") {
		return nil
	}
	l := &layout{naming: "timm", stem: part{"", "conv_stem", "bn1"}, stemAct: "bn1.act", convHead: "conv_head", scopes: []string{"conv_stem", "bn1", "blocks"}, heads: []string{"classifier", "conv_head"}}
	s := 0
	for ; k.Below(fmt.Sprintf("blocks.%d.0.conv_dw", s)); s++ {
		for i := 0; k.Below(fmt.Sprintf("blocks.%d.%d", s, i)); i++ {
			m := fmt.Sprintf("blocks.%d.%d", s, i)
			b := block{}
			if k.Below(m + ".conv_pwl") {
				b = block{expand: part{m, "conv_pw", "bn1"}, depthwise: part{m, "conv_dw", "bn2"}, project: part{m, "conv_pwl", "bn3"}, expandAct: m + ".bn1.act", depthwiseAct: m + ".bn2.act"}
			} else {
				b = block{depthwise: part{m, "conv_dw", "bn1"}, project: part{m, "conv_pw", "bn2"}, depthwiseAct: m + ".bn1.act"}
			}
			b.module, b.skip = m, "has_skip"
			if k.HasWeight(m + ".se.conv_reduce") {
				b.seKey = m + ".se"
				b.se = model.SqueezeExcite{Reduce: m + ".se.conv_reduce", Expand: m + ".se.conv_expand", Act: m + ".se.act1", Gate: m + ".se.gate", ActOp: graph.Relu{}, GateOp: gate}
			}
			l.blocks = append(l.blocks, b)
		}
	}
	m := fmt.Sprintf("blocks.%d.0", s)
	if !k.Below(m + ".conv") {
		return nil
	}
	l.last, l.lastAct = part{m, "conv", "bn1"}, m+".bn1.act"
	return l
}

// gate is PyTorch's Hardsigmoid: min(max(x/6 + 1/2, 0), 1).
var gate = graph.HardSigmoid{Alpha: 1.0 / 6, Beta: 0.5}

func (l *layout) network() *model.Network {
	n := &model.Network{Family: "MobileNetV3", Naming: l.naming, Scopes: l.scopes, Input: []string{l.stem.key(l.stem.conv)}, HeadScope: l.heads[0], Tail: l.heads[1:], Head1: l.heads[0],
		CropPct: 0.875, Epsilon: 1e-3, Structures: []string{"MobileNetV3", "InvertedResidual", "ConvNormActivation", "Conv2dNormActivation", "ConvBNActivation", "SqueezeExcitation",
			"DepthwiseSeparableConv", "ConvBnAct", "SqueezeExcite", "BatchNormAct2d"},
		Build:   l.build,
		Variant: func(*model.Info) string { return "MobileNetV3-" + l.published.name }}
	if l.naming == "timm" {
		n.Epsilon = 1e-5
		n.Pool = l.convHeadPool
	} else {
		n.HeadKeys, n.Head = []string{"classifier.0", "classifier.3"}, classifier
	}
	return n
}

func (l *layout) build(b *model.Builder, x *graph.Value) ([]*graph.Value, int, error) {
	if b.Strides != nil {
		return nil, 0, fmt.Errorf("%w: those of a MobileNetV3 are as published, or as its whole module states", model.ErrStrides)
	}
	if l.naming == "timm" && !b.Whole() {
		b.Warn("taken to be one of timm's own; its networks that begin with tf_ have the same names and another epsilon and padding, and would be wrong")
	}
	add := func(name string, p part, act string, op graph.Op, x *graph.Value, c model.Conv) (*graph.Value, int, error) {
		y, out, err := l.convNorm(b, name+".c", p, x, c)
		if err != nil || op == nil {
			return y, out, err
		}
		y, err = b.Activation(name, act, y, op)
		return y, out, err
	}
	c := x.Type.Shape[1].Size
	x, c, err := add("features.0", l.stem, l.stemAct, graph.HardSwish{}, x, model.Conv{In: c, Kernel: 3, Stride: [2]int{2, 2}})
	if err != nil {
		return nil, 0, err
	}
	blocks := []*graph.Value{x}
	strided := false
	for i, k := range l.blocks {
		name := fmt.Sprintf("features.%d", i+1)
		var act graph.Op = graph.HardSwish{}
		if i < l.published.relu {
			act = graph.Relu{}
		}
		stride := l.published.strides[i]
		in, y, w := x, x, c
		if k.expand != (part{}) {
			if y, w, err = add(name+".expand", k.expand, k.expandAct, act, y, model.Conv{In: c, Kernel: 1, Stride: model.Once}); err != nil {
				return nil, 0, err
			}
		}
		if y, _, err = add(name+".dw", k.depthwise, k.depthwiseAct, act, y, model.Conv{In: w, Stride: [2]int{stride, stride}, Depthwise: true}); err != nil {
			return nil, 0, err
		}
		if k.seKey != "" {
			if y, err = b.SqueezeExcite(name+".se", k.seKey, k.se, y, w); err != nil {
				return nil, 0, err
			}
		}
		y, out, err := add(name+".project", k.project, "", nil, y, model.Conv{In: w, Kernel: 1, Stride: model.Once})
		if err != nil {
			return nil, 0, err
		}
		residual := stride == 1 && out == c
		if err := b.Attribute(k.module, k.skip, residual, fmt.Sprint(residual)); err != nil {
			return nil, 0, err
		}
		if residual {
			y = b.Graph.Add(name, graph.Add{}, in, y)
		}
		// Large begins with a block of stride 1, which counts to the stage of the next.
		if stride == 2 && strided || len(b.Info.Stages) == 0 {
			b.Info.Stages = append(b.Info.Stages, model.Stage{})
		}
		strided = strided || stride == 2
		s := &b.Info.Stages[len(b.Info.Stages)-1]
		s.Width, s.Blocks = out, s.Blocks+1
		s.SE += map[bool]string{true: "1", false: "0"}[k.seKey != ""]
		x, c = y, out
		blocks = append(blocks, x)
	}
	name := fmt.Sprintf("features.%d", len(blocks))
	if x, c, err = add(name, l.last, l.lastAct, graph.HardSwish{}, x, model.Conv{In: c, Kernel: 1, Stride: model.Once}); err != nil {
		return nil, 0, err
	}
	s := &b.Info.Stages[len(b.Info.Stages)-1]
	s.Width, s.Blocks, s.SE = c, s.Blocks+1, s.SE+"0"
	b.Info.Generation = "training"
	return append(blocks, x), c, nil
}

// convNorm adds a convolution and its BatchNorm.
func (l *layout) convNorm(b *model.Builder, name string, p part, x *graph.Value, c model.Conv) (*graph.Value, int, error) {
	if p.module == "" {
		return b.ConvNormAt(name, p.conv, p.norm, x, c)
	}
	if l.naming == "timm" {
		return b.ConvNormAt(name, p.key(p.conv), p.key(p.norm), x, c)
	}
	return b.ConvNorm(name, p.module, p.conv, p.norm, x, c)
}

// classifier is torchvision's head of two layers.
func classifier(b *model.Builder, x *graph.Value, c int) (*graph.Value, error) {
	hidden, n, err := b.Linear("classifier.hidden.l", "classifier.0", x, c)
	if err != nil {
		return nil, err
	}
	if hidden, err = b.Activation("classifier.hidden", "classifier.1", hidden, graph.HardSwish{}); err != nil {
		return nil, err
	}
	logits, _, err := b.Linear("classifier", "classifier.3", hidden, n)
	return logits, err
}

// convHeadPool is timm's: a convolution with bias and an activation behind the pooling.
func (l *layout) convHeadPool(b *model.Builder, x *graph.Value, c int) (*graph.Value, int, error) {
	x = b.Graph.Add("pool", graph.GlobalAveragePool{}, x)
	x, c, err := b.Conv("conv_head.c", l.convHead, x, model.Conv{In: c, Kernel: 1, Stride: model.Once})
	if err != nil {
		return nil, 0, err
	}
	if x, err = b.Activation("conv_head", "act2", x, graph.HardSwish{}); err != nil {
		return nil, 0, err
	}
	return b.Graph.Add("flatten", graph.Flatten{}, x), c, nil
}
