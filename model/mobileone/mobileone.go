// Package mobileone knows the names of MobileOne ("MobileOne: An Improved One millisecond
// Mobile Backbone", CVPR 2023, arXiv 2206.04040; code apple/ml-mobileone): pairs of a depthwise
// 3×3 and a pointwise convolution, each trained as the sum of several such convolutions, a
// 1×1 scale branch and, where the shape allows, an identity, all with BatchNorm; then
// squeeze-and-excitation in some, and ReLU. It reads the official names and timm's, of
// networks before and after they were fused.
//
// # Stability
//
// Within a major version, what is read stays readable with the same result. The names of the package
// are for package family and may change with a minor version.
package mobileone

import (
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/pytorch"
)

// names is how a naming spells the parts of a block.
type names struct {
	naming             string
	stem               string
	stage              func(i, block int) string
	convs, scale, skip string
	se, reduce, expand string
	act, seAct, gate   string
	head, headScope    string
	scopes             []string
}

const fused = "reparam_conv"

var namings = []names{
	{naming: "official", stem: "stage0", stage: func(i, block int) string { return fmt.Sprintf("stage%d.%d", i+1, block) },
		convs: "rbr_conv", scale: "rbr_scale", skip: "rbr_skip", se: "se", reduce: "reduce", expand: "expand", act: "activation",
		head: "linear", headScope: "linear", scopes: []string{"stage0", "stage1", "stage2", "stage3", "stage4"}},
	{naming: "timm", stem: "stem", stage: func(i, block int) string { return fmt.Sprintf("stages.%d.%d", i, block) },
		convs: "conv_kxk", scale: "conv_scale", skip: "identity", se: "attn", reduce: "fc1", expand: "fc2", act: "act", seAct: "act", gate: "gate",
		head: "head.fc", headScope: "head", scopes: []string{"stem", "stages"}},
}

func (n names) has(k *model.Keys, block string) bool {
	return k.Below(block+"."+n.convs+".0") || k.HasWeight(block+"."+fused)
}

// Family is MobileOne for package model.
func Family() model.Family {
	return model.Family{Name: "MobileOne", Networks: networks, Detect: func(k *model.Keys) (*model.Network, error) {
		for _, n := range namings {
			if n.has(k, n.stem) && n.has(k, n.stage(0, 1)) {
				// RepVGG has the same names once it is fused, but no pointwise convolutions.
				if s := k.Shape(n.stage(0, 1) + "." + fused + ".weight"); len(s) == 4 && s[2] != 1 {
					return nil, nil
				}
				return n.network(k), nil
			}
		}
		return nil, nil
	}}
}

func networks(sd *pytorch.StateDict) []string {
	return model.PrefixesOf(sd, "stage0.rbr_conv.0.conv.weight", "stage0.reparam_conv.weight", "stem.conv_kxk.0.conv.weight", "stem.reparam_conv.weight")
}

func (n names) network(k *model.Keys) *model.Network {
	crop := 0.875
	if n.naming == "timm" && !k.Below(n.stem+"."+n.convs+".1") && !k.Below(n.stage(0, 0)+"."+n.convs+".1") {
		crop = 0.9 // timm's, for all but S0, which alone has several branches
	}
	return &model.Network{Family: "MobileOne", Naming: n.naming, Scopes: n.scopes, Input: []string{n.stem + "." + fused, n.stem + "." + n.convs + ".0.conv"},
		HeadScope: n.headScope, Head1: n.head, CropPct: crop, Variant: variant,
		Structures: []string{"MobileOne", "MobileOneBlock", "SEBlock", "SEModule", "ConvNormAct", "BatchNormAct2d", "ByobNet", "ClassifierHead"},
		Build: func(b *model.Builder, input *graph.Value) ([]*graph.Value, int, error) {
			return n.build(b, k, input)
		}}
}

func (n names) build(b *model.Builder, k *model.Keys, x *graph.Value) ([]*graph.Value, int, error) {
	b.Info.Generation = map[bool]string{true: "fused", false: "training"}[b.HasWeight(n.stem+"."+fused)]
	return b.Stack(model.Stack{Stem: n.stem, Key: n.stage,
		Has: func(key string) bool { return n.has(k, key) },
		SE:  func(key string) bool { return b.HasWeight(key + "." + n.se + "." + n.reduce) },
		Block: func(name, key string, x *graph.Value, c int, stride [2]int) (*graph.Value, int, error) {
			return n.block(b, name, key, x, c, stride)
		}}, x)
}

// block adds ReLU(SE(BN(conv1×1 x) + ΣBN(conv x) + BN(x))), or the fused form of it.
func (n names) block(b *model.Builder, name, key string, x *graph.Value, c int, stride [2]int) (*graph.Value, int, error) {
	part := func(p string) string { return key + "." + p }
	var y *graph.Value
	var out int
	var err error
	if k := part(fused); b.HasWeight(k) {
		if y, out, err = b.FusedConv(name+".conv", k, x, model.Conv{In: c, Stride: stride, Group: b.Groups(k, c)}); err != nil {
			return nil, 0, err
		}
	} else {
		add := func(name string, z *graph.Value) {
			if y == nil {
				y = z
			} else {
				y = b.Graph.Add(name+".sum", graph.Add{}, y, z)
			}
		}
		for i := 0; i == 0 || b.Has(fmt.Sprintf("%s.%d.conv.weight", part(n.convs), i)); i++ {
			k := fmt.Sprintf("%s.%d", part(n.convs), i)
			z, o, err := b.ConvNorm(fmt.Sprintf("%s.conv%d", name, i), k, "conv", "bn", x, model.Conv{In: c, Out: out, Stride: stride, Group: b.Groups(k+".conv", c)})
			if err != nil {
				return nil, 0, err
			}
			out = o
			add(fmt.Sprintf("%s.conv%d", name, i), z)
		}
		if k := part(n.scale); b.Has(k + ".conv.weight") {
			z, _, err := b.ConvNorm(name+".scale", k, "conv", "bn", x, model.Conv{In: c, Out: out, Kernel: 1, Stride: stride, Group: b.Groups(k+".conv", c)})
			if err != nil {
				return nil, 0, err
			}
			add(name+".scale", z)
		}
		if b.HasWeight(part(n.skip)) {
			z, err := b.Norm(name+".skip", part(n.skip), x, c)
			if err != nil {
				return nil, 0, err
			}
			add(name+".skip", z)
		}
	}
	if se := part(n.se); b.HasWeight(se + "." + n.reduce) {
		s := model.SqueezeExcite{Reduce: se + "." + n.reduce, Expand: se + "." + n.expand, ActOp: graph.Relu{}, GateOp: graph.Sigmoid{}}
		if n.seAct != "" {
			s.Act, s.Gate = se+"."+n.seAct, se+"."+n.gate
		}
		if y, err = b.SqueezeExcite(name+".se", se, s, y, out); err != nil {
			return nil, 0, err
		}
	}
	y, err = b.Activation(name, part(n.act), y, graph.Relu{})
	return y, out, err
}

// published are the networks of the paper, by widths of the stages; their depths are the same.
var published = []struct {
	name   string
	widths [4]int
}{
	{"S0", [4]int{48, 128, 256, 1024}},
	{"S1", [4]int{96, 192, 512, 1280}},
	{"S2", [4]int{96, 256, 640, 2048}},
	{"S3", [4]int{128, 320, 768, 2048}},
	{"S4", [4]int{192, 448, 896, 2048}},
}

func variant(i *model.Info) string {
	var widths, depths []int
	for _, s := range i.Stages {
		widths, depths = append(widths, s.Width), append(depths, s.Blocks)
	}
	for _, p := range published {
		if slices.Equal(widths, p.widths[:]) && slices.Equal(depths, []int{4, 16, 20, 2}) {
			return "MobileOne-" + p.name
		}
	}
	return "MobileOne (custom)"
}
