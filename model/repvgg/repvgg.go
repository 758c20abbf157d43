// Package repvgg knows the names of RepVGG ("RepVGG: Making VGG-style ConvNets Great Again",
// CVPR 2021, arXiv 2101.03697; code DingXiaoH/RepVGG): a stack of 3×3 convolutions, each
// trained as the sum of a 3×3, a 1×1 and, where the shape allows, an identity branch, all with
// BatchNorm, and ReLU. It reads the official names and timm's, of networks before and after
// they were fused.
//
// # Stability
//
// Within a major version, what is read stays readable with the same result. The names of the package
// are for package family and may change with a minor version.
package repvgg

import (
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/pytorch"
)

// names is how a naming spells the parts of a block.
type names struct {
	naming                         string
	stem                           string
	stage                          func(i, block int) string
	fused                          string
	dense, pointwise, identity     string
	se, reduce, expand, activation string
	head, headScope                string
	scopes                         []string
}

var namings = []names{
	{naming: "official", stem: "stage0", stage: func(i, block int) string { return fmt.Sprintf("stage%d.%d", i+1, block) },
		fused: "rbr_reparam", dense: "rbr_dense", pointwise: "rbr_1x1", identity: "rbr_identity", se: "se", reduce: "down", expand: "up",
		activation: "nonlinearity", head: "linear", headScope: "linear", scopes: []string{"stage0", "stage1", "stage2", "stage3", "stage4"}},
	{naming: "timm", stem: "stem", stage: func(i, block int) string { return fmt.Sprintf("stages.%d.%d", i, block) },
		fused: "reparam_conv", dense: "conv_kxk", pointwise: "conv_1x1", identity: "identity", se: "attn", reduce: "fc1", expand: "fc2",
		activation: "act", head: "head.fc", headScope: "head", scopes: []string{"stem", "stages"}},
}

// has reports whether the keys below a prefix are a block of this naming.
func (n names) has(k *model.Keys, block string) bool {
	return k.Below(block+"."+n.pointwise) && k.Below(block+"."+n.dense) || k.HasWeight(block+"."+n.fused)
}

// Family is RepVGG for package model.
func Family() model.Family {
	return model.Family{Name: "RepVGG", Networks: networks, Detect: func(k *model.Keys) (*model.Network, error) {
		for _, n := range namings {
			if n.has(k, n.stem) && n.has(k, n.stage(0, 0)) {
				return n.network(k), nil
			}
		}
		return nil, nil
	}}
}

// networks finds the stem's 1×1 branch, which no other family has, or the fused stem.
func networks(sd *pytorch.StateDict) []string {
	return model.PrefixesOf(sd, "stage0.rbr_1x1.conv.weight", "stage0.rbr_reparam.weight", "stem.conv_1x1.conv.weight", "stem.reparam_conv.weight")
}

func (n names) network(k *model.Keys) *model.Network {
	return &model.Network{Family: "RepVGG", Naming: n.naming, Scopes: n.scopes, Input: []string{n.stem + "." + n.fused, n.stem + "." + n.dense + ".conv"},
		HeadScope: n.headScope, Head1: n.head, CropPct: 0.875, Variant: variant,
		Structures: []string{"RepVGG", "RepVGGBlock", "RepVggBlock", "SEBlock", "SEModule", "ConvNormAct", "BatchNormAct2d", "ByobNet", "ClassifierHead"},
		Build: func(b *model.Builder, input *graph.Value) ([]*graph.Value, int, error) {
			return n.build(b, k, input)
		}}
}

func (n names) build(b *model.Builder, k *model.Keys, x *graph.Value) ([]*graph.Value, int, error) {
	b.Info.Generation = map[bool]string{true: "fused", false: "training"}[b.HasWeight(n.stem+"."+n.fused)]
	return b.Stack(model.Stack{Stem: n.stem, Key: n.stage,
		Has: func(key string) bool { return n.has(k, key) },
		SE:  func(key string) bool { return b.HasWeight(key + "." + n.se + "." + n.reduce) },
		Block: func(name, key string, x *graph.Value, c int, stride [2]int) (*graph.Value, int, error) {
			return n.block(b, name, key, x, c, stride)
		}}, x)
}

// block adds ReLU(SE(BN(conv3×3 x) + BN(conv1×1 x) + BN(x))), or the fused form of it.
func (n names) block(b *model.Builder, name, key string, x *graph.Value, c int, stride [2]int) (*graph.Value, int, error) {
	part := func(p string) string { return key + "." + p }
	var y *graph.Value
	var out int
	var err error
	if b.HasWeight(part(n.fused)) {
		y, out, err = b.FusedConv(name+".conv", part(n.fused), x, model.Conv{In: c, Stride: stride, Group: b.Groups(part(n.fused), c)})
		if err != nil {
			return nil, 0, err
		}
	} else {
		dense := part(n.dense)
		y, out, err = b.ConvNorm(name+".dense", dense, "conv", "bn", x, model.Conv{In: c, Stride: stride, Group: b.Groups(dense+".conv", c)})
		if err != nil {
			return nil, 0, err
		}
		point := part(n.pointwise)
		z, _, err := b.ConvNorm(name+".pointwise", point, "conv", "bn", x, model.Conv{In: c, Out: out, Kernel: 1, Stride: stride, Group: b.Groups(point+".conv", c)})
		if err != nil {
			return nil, 0, err
		}
		y = b.Graph.Add(name+".sum", graph.Add{}, y, z)
		if b.HasWeight(part(n.identity)) {
			if z, err = b.Norm(name+".identity", part(n.identity), x, c); err != nil {
				return nil, 0, err
			}
			y = b.Graph.Add(name+".conv", graph.Add{}, y, z)
		}
	}
	if se := part(n.se); b.HasWeight(se + "." + n.reduce) {
		s := model.SqueezeExcite{Reduce: se + "." + n.reduce, Expand: se + "." + n.expand, ActOp: graph.Relu{}, GateOp: graph.Sigmoid{}}
		if y, err = b.SqueezeExcite(name+".se", se, s, y, out); err != nil {
			return nil, 0, err
		}
	}
	y, err = b.Activation(name, part(n.activation), y, graph.Relu{})
	return y, out, err
}

// published are the networks of the paper and of the official code, by widths and depths of
// the stages.
var published = []struct {
	name           string
	widths, depths [4]int
}{
	{"A0", [4]int{48, 96, 192, 1280}, [4]int{2, 4, 14, 1}},
	{"A1", [4]int{64, 128, 256, 1280}, [4]int{2, 4, 14, 1}},
	{"A2", [4]int{96, 192, 384, 1408}, [4]int{2, 4, 14, 1}},
	{"B0", [4]int{64, 128, 256, 1280}, [4]int{4, 6, 16, 1}},
	{"B1", [4]int{128, 256, 512, 2048}, [4]int{4, 6, 16, 1}},
	{"B2", [4]int{160, 320, 640, 2560}, [4]int{4, 6, 16, 1}},
	{"B3", [4]int{192, 384, 768, 2560}, [4]int{4, 6, 16, 1}},
	{"D2se", [4]int{160, 320, 640, 2560}, [4]int{8, 14, 24, 1}},
}

func variant(i *model.Info) string {
	var widths, depths []int
	for _, s := range i.Stages {
		widths, depths = append(widths, s.Width), append(depths, s.Blocks)
	}
	for _, p := range published {
		if slices.Equal(widths, p.widths[:]) && slices.Equal(depths, p.depths[:]) {
			return "RepVGG-" + p.name
		}
	}
	return "RepVGG (custom)"
}
