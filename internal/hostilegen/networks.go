package main

import (
	"math"
	"strings"

	tt "github.com/repvit-go/repvit/internal/torchtest"
)

// network returns the smallest RepViT after a change to its tensors.
func network(change func(net []tt.Named) []tt.Named) []byte {
	net := tt.RepViT{Widths: []int{8, 8}, SE: []string{"1", "0"}, Classes: 3, Heads: 1}.StateDict()
	return tt.CheckpointOf("model", change(net))
}

// named returns a network in which one tensor is changed.
func named(name string, change func(t *tt.Named)) []byte {
	return network(func(net []tt.Named) []tt.Named {
		for i := range net {
			if net[i].Name == name {
				change(&net[i])
				return net
			}
		}
		panic("no tensor " + name)
	})
}

func element(name string, index int, value float64) []byte {
	return named(name, func(t *tt.Named) { t.Values[index] = float32(value) })
}

func without(match string) []byte {
	return network(func(net []tt.Named) []tt.Named {
		var kept []tt.Named
		for _, t := range net {
			if !strings.HasPrefix(t.Name, match) {
				kept = append(kept, t)
			}
		}
		return kept
	})
}

func with(name string, shape ...int) []byte {
	return network(func(net []tt.Named) []tt.Named { return append(net, filled(name, shape...)) })
}

func filled(name string, shape ...int) tt.Named {
	n := 1
	for _, d := range shape {
		n *= d
	}
	return tt.Named{Name: name, Shape: shape, Values: make([]float32, n)}
}

func networks() []attack {
	const c = "features.1.channel_mixer.m.0.c.weight"
	dict := func() any { root, _ := small(); return root }
	_, storage := small()
	var stages []tt.Named
	for i := range 50 {
		stages = append(stages, filled("stages."+string(rune('0'+i/10))+string(rune('0'+i%10))+".blocks.9999.x.weight", 1))
	}
	stages = append(stages, filled("stem.conv1.c.weight", 4, 3, 3, 3), filled("stages.0.x.weight", 1), filled("stages.9999.x.weight", 1))
	return []attack{
		{"net_ambiguous.pth", tt.Checkpoint(tt.Dict{"student", dict(), "teacher", dict()}, storage), `several state dicts found under "student", "teacher", expected one`},
		{"net_resnet.pth", tt.CheckpointOf("", []tt.Named{filled("conv1.weight", 8, 3, 7, 7), filled("layer1.0.conv1.weight", 8, 8, 3, 3)}), `not the state dict of a network that is known: 2 keys, the first is "conv1.weight"`},
		{"net_no_blocks.pth", tt.CheckpointOf("", []tt.Named{filled("features.0.0.c.weight", 4, 3, 3, 3)}), "not the state dict of a network that is known: it has a stem but no blocks"},
		{"net_missing_key.pth", without(c), `key "` + c + `": missing, expected shape [16 8 1 1]`},
		{"net_missing_statistics.pth", without("features.0.0.bn.running_var"), `key "features.0.0.bn.running_var": missing, expected shape [4]`},
		{"net_missing_block.pth", with("features.4.token_mixer.0.conv.c.weight", 8, 1, 3, 3), `key "features.3.`},
		{"net_many_blocks.pth", with("features.9999.token_mixer.0.conv.c.weight", 8, 1, 3, 3), `key "features.3.`},
		{"net_many_stages.pth", tt.CheckpointOf("", stages), `key "stem.conv1.bn.weight": missing`},
		{"net_huge_index.pth", with("features.99999999999.token_mixer.0.conv.c.weight", 8, 1, 3, 3), `key "features.99999999999.token_mixer.0.conv.c.weight": found shape [8 1 3 3], expected no such key in this network`},
		{"net_wrong_shape.pth", named(c, func(t *tt.Named) { t.Shape = []int{8, 16, 1, 1} }), `key "` + c + `": found shape [8 16 1 1], expected [16 8 1 1]`},
		{"net_wrong_axes.pth", named(c, func(t *tt.Named) { t.Shape = []int{16, 8} }), `key "` + c + `": found shape [16 8], expected [16 8 1 1]`},
		{"net_wrong_kernel.pth", named("features.0.0.c.weight", func(t *tt.Named) { t.Shape = []int{4, 27, 1, 1} }), `key "features.0.0.c.weight": found shape [4 27 1 1], expected [4 27 3 3]`},
		{"net_wrong_bias.pth", named("features.1.token_mixer.0.conv1.bias", func(t *tt.Named) { t.Shape, t.Values = []int{7}, t.Values[:7] }), `key "features.1.token_mixer.0.conv1.bias": found shape [7], expected [8]`},
		{"net_empty_tensor.pth", named("classifier.classifier.l.weight", func(t *tt.Named) { t.Shape, t.Values = []int{0, 8}, nil }), `key "classifier.classifier.l.weight": found shape [0 8]`},
		{"net_unexpected_key.pth", with("features.1.token_mixer.0.gamma.weight", 8), `key "features.1.token_mixer.0.gamma.weight": found shape [8], expected no such key in this network`},
		{"net_no_classifier.pth", without("classifier"), "found 2 stages, where every published RepViT has 4"},
		{"net_nan.pth", element(c, 5, math.NaN()), `key "` + c + `": element 5 is NaN, expected a finite number`},
		{"net_infinite.pth", element("features.0.2.c.weight", 100, math.Inf(-1)), `key "features.0.2.c.weight": element 100 is -Inf, expected a finite number`},
		{"net_infinite_bias.pth", element("classifier.classifier.l.bias", 2, math.Inf(1)), `key "classifier.classifier.l.bias": element 2 is +Inf, expected a finite number`},
		{"net_negative_variance.pth", element("features.0.0.bn.running_var", 1, -0.25), `key "features.0.0.bn.running_var": element 1 is -0.25, expected a variance, which is not negative`},
		{"net_long_key.pth", with(strings.Repeat("a.", 3000)+"weight", 1), `": found a name of 6006 bytes, expected 1024 at most`},
		{"net_many_parts.pth", network(func([]tt.Named) []tt.Named { return []tt.Named{filled(strings.Repeat(".", 1000)+".weight", 1)} }), "not the state dict of a network that is known: 1 keys"},
	}
}
