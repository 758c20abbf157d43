// Package repvit knows the names of RepViT ("RepViT: Revisiting Mobile CNN From ViT
// Perspective", CVPR 2024, arXiv 2307.09283): a stem of two strided convolutions, stages of
// blocks and one or two linear heads. Three namings are understood: the official code's
// (THU-MIG/RepViT) of both generations, timm's, and either with any of its parts already
// fused. Values of the graph are named after the official module tree whichever naming the
// file has ("features.3.token_mixer.dw").
//
// # Stability
//
// Within a major version, what is read stays readable with the same result. The names of the package
// are for package family and may change with a minor version.
package repvit

import (
	"fmt"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/pytorch"
)

// Family is RepViT for package model.
func Family() model.Family {
	return model.Family{Name: "RepViT", Networks: networks, Detect: func(k *model.Keys) (*model.Network, error) {
		l, err := detect(k)
		if l == nil || err != nil {
			return nil, err
		}
		return l.network(), nil
	}}
}

// The parts of an image's short side that the two trainings kept.
const (
	officialCrop = 0.875
	timmCrop     = 0.95
)

func (l *layout) network() *model.Network {
	n := &model.Network{Family: "RepViT", Naming: l.naming, Scopes: l.scopes, Input: []string{l.stem1, l.stem1 + ".c"},
		HeadScope: l.headScope, Head1: l.head1, Head2: l.head2, CropPct: officialCrop, TapBefore: true, Variant: variant,
		Structures: []string{"RepViT", "RepViTBlock", "RepVGGDW", "Conv2d_BN", "Residual", "BN_Linear", "Classfier", "Classifier", "SqueezeExcite", "SEModule",
			"RepVit", "RepVitStem", "RepVitStage", "RepViTStage", "RepVggDw", "RepVitMlp", "RepViTMlp", "RepVitDownsample", "RepVitClassifier", "ConvNorm", "NormLinear"}}
	if l.naming == "timm" {
		n.CropPct = timmCrop
	}
	n.Build = func(b *model.Builder, input *graph.Value) ([]*graph.Value, int, error) {
		r := &builder{Builder: b}
		n.Detector = r.detector()
		return r.build(l, input)
	}
	return n
}

// stems are how a network's first keys begin, in either naming.
var stems = []string{"features.0.0.", "stem.conv1."}

// networks returns the prefixes of keys below which a state dict holds RepViTs. Detectors and
// segmenters are saved with the network as a part of them, which all keys say in front
// ("backbone.features.0.0.c.weight").
func networks(sd *pytorch.StateDict) []string {
	// Other networks have such a stem as well, but no token mixers.
	mixers := map[string]bool{}
	for _, k := range sd.Keys() {
		if i := strings.Index(k, "token_mixer"); i >= 0 {
			for _, list := range []string{"features.", "stages"} {
				if j := strings.LastIndex(k[:i], list); j == 0 || j > 0 && k[j-1] == '.' {
					mixers[k[:j]] = true
				}
			}
		}
	}
	var found []string
	for _, p := range stemPrefixes(sd) {
		if mixers[p] {
			found = append(found, p)
		}
	}
	return found
}

// stemPrefixes returns what stands before the stems, in order.
func stemPrefixes(sd *pytorch.StateDict) []string {
	var prefixes []string
	seen := map[string]bool{}
	for _, k := range sd.Keys() {
		for _, stem := range stems {
			i := strings.LastIndex(k, stem)
			if i < 0 || i > 0 && k[i-1] != '.' || seen[k[:i]] {
				continue
			}
			seen[k[:i]] = true
			prefixes = append(prefixes, k[:i])
		}
	}
	return prefixes
}

// builder adds RepViT's parts.
type builder struct {
	*model.Builder
	v1, v2 int // token mixers of each form
}

func (b *builder) build(l *layout, in *graph.Value) ([]*graph.Value, int, error) {
	if err := b.planStrides(l); err != nil {
		return nil, 0, err
	}
	channels := in.Type.Shape[1].Size
	x, c, err := b.convBN("features.0.conv1", l.stem1, in, model.Conv{In: channels, Kernel: 3, Stride: l.strides[0]})
	if err != nil {
		return nil, 0, err
	}
	if x, err = b.Activation("features.0.act", l.stemAct, x, graph.Gelu{}); err != nil {
		return nil, 0, err
	}
	if x, c, err = b.convBN("features.0", l.stem2, x, model.Conv{In: c, Kernel: 3, Stride: l.strides[1]}); err != nil {
		return nil, 0, err
	}
	b.Info.Stages = []model.Stage{{Width: c}}
	outputs := []*graph.Value{x} // of the stem and every block
	stride := 0
	for _, blk := range l.blocks {
		if blk.strided() {
			b.Info.Stages = append(b.Info.Stages, model.Stage{})
			blk.stride = l.strides[2+stride]
			stride++
		}
		if x, c, err = b.block(blk, x, c); err != nil {
			return nil, 0, err
		}
		outputs = append(outputs, x)
		s := &b.Info.Stages[len(b.Info.Stages)-1]
		s.Width = c
		s.Blocks++
		s.SE += map[bool]string{true: "1", false: "0"}[blk.se != ""]
	}
	switch {
	case b.v1 > 0 && b.v2 > 0:
		b.Info.Generation = "mixed"
	case b.v1 > 0:
		b.Info.Generation = "v1"
	case b.v2 > 0:
		b.Info.Generation = "v2"
	default:
		b.Info.Generation = "fused"
	}
	b.unusual()
	return outputs, c, nil
}

// unusual says what no published network has and the tensors cannot tell.
func (b *builder) unusual() {
	if n := len(b.Info.Stages); n != 4 && b.Strides == nil && !b.Whole() {
		b.DoubtStrides("found %d stages, where every published RepViT has 4: the strides of the %d downsamplings are not in the file", n, n-1)
	}
	for _, n := range b.Graph.Nodes {
		if c, ok := n.Op.(graph.Conv); ok && c.Group > 1 {
			if k := n.Inputs[1].Const.Shape[2]; k != 3 && k != 1 {
				b.Warn("found depthwise kernels of %d×%d, where every published RepViT has 3×3", k, k)
				return
			}
		}
	}
}

// convBN adds a convolution and its BatchNorm ("Conv2d_BN" in the official code), or a fused
// convolution with bias.
func (b *builder) convBN(name, key string, x *graph.Value, c model.Conv) (*graph.Value, int, error) {
	if b.HasWeight(key) {
		return b.FusedConv(name, key, x, c)
	}
	return b.ConvNorm(name, key, "c", "bn", x, c)
}

func (b *builder) block(k block, x *graph.Value, c int) (*graph.Value, int, error) {
	var err error
	token := k.name + ".token_mixer"
	if k.strided() {
		x, _, err = b.convBN(token+".dw", k.token, x, model.Conv{In: c, Stride: k.stride, Depthwise: true})
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
		if x, c, err = b.convBN(token+".pw", k.pointwise, x, model.Conv{In: c, Kernel: 1, Stride: model.Once}); err != nil {
			return nil, 0, err
		}
	}
	mixer := k.name + ".channel_mixer"
	y, hidden, err := b.convBN(mixer+".conv1", k.mix1, x, model.Conv{In: c, Kernel: 1, Stride: model.Once})
	if err != nil {
		return nil, 0, err
	}
	if y, err = b.Activation(mixer+".act", k.mixAct, y, graph.Gelu{}); err != nil {
		return nil, 0, err
	}
	if y, _, err = b.convBN(mixer+".conv2", k.mix2, y, model.Conv{In: hidden, Out: c, Kernel: 1, Stride: model.Once}); err != nil {
		return nil, 0, err
	}
	return b.Graph.Add(k.name, graph.Add{}, x, y), c, nil
}

// tokenMixer adds RepVGGDW in the form that its keys show:
//
//	v1: BN(conv3×3 x) + BN(conv1×1 x) + x
//	v2: BN(BN(conv3×3 x) + conv1×1 x + x)
//	fused: conv3×3 x
func (b *builder) tokenMixer(name, key string, x *graph.Value, c int) (*graph.Value, error) {
	if b.HasWeight(key) {
		y, _, err := b.convBN(name, key, x, model.Conv{In: c, Stride: model.Once, Depthwise: true})
		return y, err
	}
	y, _, err := b.convBN(name+".conv", key+".conv", x, model.Conv{In: c, Stride: model.Once, Depthwise: true})
	if err != nil {
		return nil, err
	}
	point := model.Conv{In: c, Kernel: 1, Stride: model.Once, Depthwise: true}
	z, _, err := b.convBN(name+".conv1", key+".conv1", x, point)
	if err != nil {
		return nil, err
	}
	y = b.Graph.Add(name+".branches", graph.Add{}, y, z)
	v1 := b.Has(key + ".conv1.c.weight")
	outer := b.Has(key + ".bn.weight")
	if v1 && !outer {
		b.v1++
		return b.Graph.Add(name, graph.Add{}, y, x), nil
	}
	b.v2++
	y = b.Graph.Add(name+".sum", graph.Add{}, y, x)
	return b.Norm(name, key+".bn", y, c)
}

func (b *builder) squeezeExcite(name, key string, x *graph.Value, c int) (*graph.Value, error) {
	return b.SqueezeExcite(name, key, model.SqueezeExcite{Reduce: key + ".fc1", Expand: key + ".fc2", Act: key + ".act", Gate: key + ".gate", ActOp: graph.Relu{}, GateOp: graph.Sigmoid{}}, x, c)
}

// detector reports whether the network is the backbone of the official detectors, which tap
// other blocks than segmenters.
func (b *builder) detector() bool {
	if b.samEncoder() {
		return false // EdgeSAM's region proposals are no part of its encoder
	}
	for _, k := range b.AllKeys() {
		for part := range strings.SplitSeq(k, ".") {
			if part == "rpn_head" || part == "roi_head" {
				return true
			}
		}
	}
	return false
}

// samEncoder reports whether the network is the image encoder of a promptable segmenter: its
// neck of two convolutions stands beside the blocks.
func (b *builder) samEncoder() bool {
	second := b.Shape("neck.2.weight")
	return len(b.Shape("neck.0.weight")) == 4 && (second == nil || len(second) == 4) ||
		strings.HasSuffix(b.Prefix(), "image_encoder.")
}

// planStrides decides the strides of the stem's convolutions and of every downsampling.
func (b *builder) planStrides(l *layout) error {
	n := 0
	for _, k := range l.blocks {
		if k.strided() {
			n++
		}
	}
	l.strides = make([][2]int, n+2)
	for i := range l.strides {
		l.strides[i] = [2]int{2, 2}
	}
	given := b.Strides
	switch {
	case given == nil:
		if n > 0 && !b.Whole() && b.samEncoder() && !b.Has("fuse_stage2.weight") {
			l.strides[n+1] = model.Once
			b.Note("the last stage keeps stride 16, as in every SAM encoder on RepViT that does not fuse its stages")
		}
	case len(given) == n:
		copy(l.strides[2:], given)
	case len(given) == n+2:
		copy(l.strides, given)
	default:
		return fmt.Errorf("%w: found %d, expected %d, one for each downsampling, or %d with those of the stem's two convolutions", model.ErrStrides, len(given), n, n+2)
	}
	for _, s := range given {
		if s[0] < 1 || s[1] < 1 || s[0] > model.MaxStride || s[1] > model.MaxStride {
			return fmt.Errorf("%w: found %d×%d, expected 1 to %d", model.ErrStrides, s[0], s[1], model.MaxStride)
		}
	}
	return nil
}
