package model_test

import (
	"math"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/torchtest"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/model/repvit"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
)

// TestVariants builds every published network at full size and counts: keys, parameters
// and multiply-accumulates as the official code has them.
func TestVariants(t *testing.T) {
	want := map[string]struct {
		keys            int
		training, fused int64
		giga            float64 // multiply-accumulates at 224×224
	}{
		"M0.6": {476, 2_808_932, 2_468_072, 0.3851},
		"M0.9": {713, 5_489_328, 5_067_056, 0.8156},
		"M1.0": {713, 7_302_796, 6_810_312, 1.1061},
		"M1.1": {659, 8_802_912, 8_244_312, 1.3371},
		"M1.5": {1145, 14_644_432, 14_049_992, 2.2736},
		"M2.3": {1469, 23_688_792, 22_926_792, 4.5160},
		"M1":   {690, 5_485_248, 5_067_056, 0.8156},
		"M2":   {638, 8_797_984, 8_244_312, 1.3371},
		"M3":   {898, 10_682_832, 10_115_720, 1.8592},
	}
	for _, v := range repvit.Variants() {
		w, ok := want[v.Name]
		if !ok {
			t.Fatalf("%s is not a published network", v.Name)
		}
		delete(want, v.Name)
		t.Run(v.Name, func(t *testing.T) {
			net := torchtest.RepViT{V1: v.Generation == "v1", Classes: 1000, Heads: 2, Constant: 0.01}
			for _, s := range v.Stages {
				net.Widths, net.SE = append(net.Widths, s.Width), append(net.SE, s.SE)
			}
			tensors := net.StateDict()
			if n := len(tensors) + torchtest.Batches(tensors); n != w.keys {
				t.Errorf("%d keys, want %d", n, w.keys)
			}
			m := build(t, torchtest.Safetensors(tensors...), model.Options{})
			if m.Info.Variant != "RepViT-"+v.Name || m.Info.Generation != v.Generation || m.Info.Classes != 1000 || !m.Info.Distilled {
				t.Errorf("recognised as %+v", m.Info)
			}
			fused := reparam.Fuse(m.Graph)
			if n := m.Graph.Parameters(); n != w.training {
				t.Errorf("%d parameters in the training form, want %d", n, w.training)
			}
			if n := fused.Parameters(); n != w.fused {
				t.Errorf("%d parameters in the deploy form, want %d", n, w.fused)
			}
			macs, err := fused.MACs(graph.FixedShape(1, 3, 224, 224))
			if err != nil {
				t.Fatal(err)
			}
			if math.Round(float64(macs)/1e5)/1e4 != w.giga {
				t.Errorf("%d multiply-accumulates, want %.4f G", macs, w.giga)
			}
		})
	}
	for name := range want {
		t.Errorf("%s is missing", name)
	}
}

func stateDict(t *testing.T, data []byte) *pytorch.StateDict {
	t.Helper()
	f, err := pytorch.Decode("test", data)
	if err != nil {
		t.Fatal(err)
	}
	sd, err := f.StateDict(pytorch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return sd
}

func build(t *testing.T, data []byte, opts model.Options) *model.Model {
	t.Helper()
	m, err := family.Build(stateDict(t, data), opts)
	if err != nil {
		t.Fatal(err)
	}
	return m
}
