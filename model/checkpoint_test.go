package model_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"os"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	tt "github.com/repvit-go/repvit/internal/torchtest"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
	"github.com/repvit-go/repvit/verify/reference"
)

const testdata = "../testdata/"

func array(t testing.TB, name string) *graph.Tensor {
	t.Helper()
	data, err := os.ReadFile(testdata + name)
	if err != nil {
		t.Fatal(err)
	}
	x, err := npy.Read(data)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// run returns a graph's first output for x, computed in float64.
func run(t testing.TB, g *graph.Graph, x *graph.Tensor) *graph.Tensor {
	t.Helper()
	n, err := reference.New(g, 2)
	if err != nil {
		t.Fatal(err)
	}
	y, err := n.Run(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

// distance is the largest difference between elements.
func distance(t testing.TB, a, b *graph.Tensor) float64 {
	t.Helper()
	if !slices.Equal(a.Shape, b.Shape) {
		t.Fatalf("shapes %v and %v", a.Shape, b.Shape)
	}
	v, w := a.Float64s(), b.Float64s()
	d := 0.0
	for i := range v {
		d = max(d, math.Abs(v[i]-w[i]))
		if v[i] != v[i] {
			return math.Inf(1)
		}
	}
	return d
}

// TestCheckpoints builds the networks that PyTorch wrote, from every naming and form, and
// compares their logits with PyTorch's in float64, before and after fusing.
func TestCheckpoints(t *testing.T) {
	x := array(t, "input.npy")
	for _, c := range []struct {
		file, key string
		logits    string
		family    string
		gen       string
		distilled bool
	}{
		{"v2_release.pth", "", "v2_release", "official", "v2", true},
		{"v2_train.pth", "", "v2_train", "official", "v2", true},
		{"v2_train.pth", "model_ema", "v2_train.ema", "official", "v2", true},
		{"v1_release.pth", "", "v1_release", "official", "v1", true},
		{"v1_ddp_legacy.pth", "", "v1_ddp_legacy", "official", "v1", true},
		{"v2_plain_legacy.pth", "", "v2_plain_legacy", "official", "v2", false},
		{"v2_channels_last.pth", "", "v2_channels_last", "official", "v2", true},
		{"v2_flat_storage.pth", "", "v2_flat_storage", "official", "v2", true},
		{"v2_fp16.pth", "", "v2_fp16", "official", "v2", true},
		{"v2_fused.pth", "", "v2_fused", "official", "fused", false},
		{"v2_module.pt", "", "v2_module", "official", "v2", true},
		{"timm_v2.pth", "", "timm_v2", "timm", "v2", true},
		{"timm_v1.safetensors", "", "timm_v1", "timm", "v1", true},
	} {
		t.Run(c.logits, func(t *testing.T) {
			f, err := pytorch.Open(testdata + c.file)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			sd, err := f.StateDict(pytorch.Options{Key: c.key})
			if err != nil {
				t.Fatal(err)
			}
			m, err := family.Build(sd, model.Options{})
			if err != nil {
				t.Fatal(err)
			}
			want := array(t, c.logits+".logits64.npy")
			i := m.Info
			if i.Family != "RepViT" || i.Naming != c.family || i.Generation != c.gen || i.Distilled != c.distilled || i.Classes != want.Shape[1] || i.Variant != "RepViT (custom)" {
				t.Errorf("recognised as %+v", i)
			}
			if len(m.Ignored) != 0 {
				t.Errorf("ignored %q", m.Ignored)
			}
			exact := 1e-9
			if c.gen == "fused" {
				exact = 5e-6 // PyTorch's logits are of the network before it was fused
			}
			if d := distance(t, run(t, m.Graph, x), want); d > exact {
				t.Errorf("training form differs by %g", d)
			}
			if d := distance(t, run(t, reparam.Fuse(m.Graph), x), want); d > 5e-6 {
				t.Errorf("deploy form differs by %g", d)
			}
		})
	}
}

// TestFeatures compares the stages' feature maps with PyTorch's.
func TestFeatures(t *testing.T) {
	data, err := os.ReadFile(testdata + "v1_release.features.npz")
	if err != nil {
		t.Fatal(err)
	}
	arrays, err := npy.ReadZip(data)
	if err != nil {
		t.Fatal(err)
	}
	f, err := pytorch.Open(testdata + "v1_release.pth")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sd, err := f.StateDict(pytorch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := family.Build(sd, model.Options{Features: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(m.Graph.Outputs) != 4 {
		t.Fatalf("%d outputs", len(m.Graph.Outputs))
	}
	n, err := reference.New(m.Graph, 2)
	if err != nil {
		t.Fatal(err)
	}
	ends, block := map[string]string{}, 0 // "stage1": "features.2"
	for i, s := range m.Info.Stages {
		block += s.Blocks
		ends[fmt.Sprintf("stage%d", i+1)] = fmt.Sprintf("features.%d", block)
	}
	found := 0
	err = n.Observe(context.Background(), array(t, "input.npy"), func(v *graph.Value, y *graph.Tensor) error {
		for _, a := range arrays {
			if a.Name == ends[v.Name] {
				found++
				if d := distance(t, y, a.Tensor); d > 1e-4 {
					t.Errorf("%s differs from %s by %g", v.Name, a.Name, d)
				}
			}
		}
		return nil
	})
	if err != nil || found != 4 {
		t.Errorf("%d of 4 stages compared, %v", found, err)
	}
	// The values' names between are the official module tree's.
	for _, name := range []string{"features.0", "features.1.token_mixer.dw", "features.3.channel_mixer.conv2"} {
		if !slices.ContainsFunc(m.Graph.Nodes, func(n *graph.Node) bool { return n.Name() == name }) {
			t.Errorf("no value %q", name)
		}
	}
}

// TestForms builds networks that nobody published.
func TestForms(t *testing.T) {
	odd := tt.RepViT{Widths: []int{6, 10, 22}, SE: []string{"1", "00", "0110"}, Classes: 7, Heads: 1}
	for _, c := range []struct {
		name string
		net  tt.RepViT
		want model.Info
	}{
		{"tiny", tt.Tiny(), model.Info{Classes: 10, Distilled: true, Generation: "v2", Stages: []model.Stage{{Width: 8, Blocks: 2, SE: "10"}, {Width: 16, Blocks: 3, SE: "010"}}}},
		{"odd", odd, model.Info{Classes: 7, Generation: "v2", Stages: []model.Stage{{Width: 6, Blocks: 1, SE: "1"}, {Width: 10, Blocks: 2, SE: "00"}, {Width: 22, Blocks: 4, SE: "0110"}}}},
		{"one stage, one class", tt.RepViT{V1: true, Widths: []int{8}, SE: []string{"0"}, Classes: 1, Heads: 1}, model.Info{Classes: 1, Generation: "v1", Stages: []model.Stage{{Width: 8, Blocks: 1, SE: "0"}}}},
	} {
		t.Run(c.name, func(t *testing.T) {
			m := build(t, tt.Safetensors(c.net.StateDict()...), model.Options{})
			c.want.Family, c.want.Naming, c.want.Variant, c.want.BNEpsilon = "RepViT", "official", "RepViT (custom)", 1e-5
			if got, want := text(m.Info), text(c.want); got != want {
				t.Errorf("%s, want %s", got, want)
			}
			fused := reparam.Fuse(m.Graph)
			x := ramp(2, 3, 33, 47)
			y := run(t, m.Graph, x)
			if d := distance(t, run(t, fused, x), y); d > 1e-5*size(y) {
				t.Errorf("the deploy form differs by %g of %g", d, size(y))
			}
			for _, n := range fused.Nodes {
				switch n.Op.(type) {
				case graph.BatchNorm, graph.Mean:
					t.Errorf("%s is left after fusing", n.Name())
				}
			}
		})
	}
}

func text(v any) string { b, _ := json.Marshal(v); return string(b) }

// ramp is an input without symmetries.
func ramp(shape ...int) *graph.Tensor {
	n, _ := graph.Numel(shape)
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(math.Sin(float64(i)*0.37) + 0.3*math.Cos(float64(i)*0.011))
	}
	return graph.Float32Tensor(shape, v)
}

func size(x *graph.Tensor) float64 {
	s := 1.0
	for _, v := range x.Float64s() {
		s = max(s, math.Abs(v))
	}
	return s
}

// TestFusedCheckpoint writes a fused graph's weights as a state dict, in full and with only
// some of its parts fused, and builds it again.
func TestFusedCheckpoint(t *testing.T) {
	tensors := tt.Tiny().StateDict()
	m := build(t, tt.Safetensors(tensors...), model.Options{})
	deploy := reparam.Fuse(m.Graph)
	x := ramp(1, 3, 32, 32)
	want := run(t, deploy, x)
	parts := map[string]string{ // values of the graph and the module that PyTorch fuses to one layer
		"features.0.conv1": "features.0.0", "features.0": "features.0.2", "logits": "classifier",
	}
	for i := 1; i <= 5; i++ {
		f := "features." + strconv.Itoa(i)
		parts[f+".token_mixer.dw"] = f + ".token_mixer.0"
		parts[f+".token_mixer.pw"] = f + ".token_mixer.2"
		parts[f+".token_mixer.se.fc1"] = f + ".token_mixer.1.fc1"
		parts[f+".token_mixer.se.fc2"] = f + ".token_mixer.1.fc2"
		parts[f+".channel_mixer.conv1"] = f + ".channel_mixer.m.0"
		parts[f+".channel_mixer.conv2"] = f + ".channel_mixer.m.2"
	}
	fuse := func(skip string) []tt.Named {
		var out []tt.Named
		for _, n := range deploy.Nodes {
			key, ok := parts[n.Name()]
			if !ok || len(n.Inputs) != 3 || strings.HasPrefix(key, skip) {
				continue
			}
			out = append(out, tt.Named{Name: key + ".weight", Shape: n.Inputs[1].Const.Shape, Values: n.Inputs[1].Const.Float32s()},
				tt.Named{Name: key + ".bias", Shape: n.Inputs[2].Const.Shape, Values: n.Inputs[2].Const.Float32s()})
		}
		for _, s := range tensors {
			if strings.HasPrefix(s.Name, skip) {
				out = append(out, s)
			}
		}
		return out
	}
	for _, c := range []struct{ skip, generation string }{{"nothing", "fused"}, {"features.1.", "v2"}, {"features.0.", "fused"}, {"classifier", "fused"}, {"features.3.channel", "fused"}} {
		m := build(t, tt.CheckpointOf("model", fuse(c.skip)), model.Options{})
		if m.Info.Generation != c.generation {
			t.Errorf("without %q: generation %s", c.skip, m.Info.Generation)
		}
		if d := distance(t, run(t, m.Graph, x), want); d > 1e-5*size(want) {
			t.Errorf("without %q fused: differs by %g", c.skip, d)
		}
	}
}

// timmNames spells official keys as timm does, for a network of the stages given.
func timmNames(tensors []tt.Named, stages ...int) []tt.Named {
	prefix := map[string]string{"features.0.0.": "stem.conv1.", "features.0.2.": "stem.conv2."}
	block := 0
	for s, n := range stages {
		for i := range n {
			block++
			f := "features." + strconv.Itoa(block) + "."
			stage := "stages." + strconv.Itoa(s) + "."
			at := stage + "blocks." + strconv.Itoa(i-min(s, 1)) + "."
			switch {
			case s > 0 && i == 0:
				down := stage + "downsample."
				prefix[f+"token_mixer.0."] = down + "spatial_downsample."
				prefix[f+"token_mixer.2."] = down + "channel_downsample."
				prefix[f+"channel_mixer.m.0."] = down + "ffn.conv1."
				prefix[f+"channel_mixer.m.2."] = down + "ffn.conv2."
				continue
			case i == n-1 && s < len(stages)-1:
				at = "stages." + strconv.Itoa(s+1) + ".downsample.pre_block."
			}
			prefix[f+"token_mixer.0."] = at + "token_mixer."
			prefix[f+"token_mixer.1."] = at + "se."
			prefix[f+"channel_mixer.m.0."] = at + "channel_mixer.conv1."
			prefix[f+"channel_mixer.m.2."] = at + "channel_mixer.conv2."
		}
	}
	prefix["classifier.classifier."], prefix["classifier.classifier_dist."] = "head.head.", "head.head_dist."
	out := slices.Clone(tensors)
	for i, t := range out {
		for from, to := range prefix {
			if rest, ok := strings.CutPrefix(t.Name, from); ok {
				out[i].Name = to + rest
			}
		}
	}
	return out
}

// TestTimmNames builds one network from both namings.
func TestTimmNames(t *testing.T) {
	for _, v1 := range []bool{false, true} {
		net := tt.Tiny()
		net.V1 = v1
		official := build(t, tt.Safetensors(net.StateDict()...), model.Options{})
		timm := build(t, tt.Safetensors(timmNames(net.StateDict(), 2, 3)...), model.Options{})
		if timm.Info.Naming != "timm" || text(timm.Info.Stages) != text(official.Info.Stages) || timm.Info.Generation != official.Info.Generation {
			t.Errorf("recognised as %+v", timm.Info)
		}
		x := ramp(1, 3, 32, 32)
		if d := distance(t, run(t, timm.Graph, x), run(t, official.Graph, x)); d != 0 {
			t.Errorf("differs by %g", d)
		}
		for i, n := range official.Graph.Nodes {
			if timm.Graph.Nodes[i].Name() != n.Name() {
				t.Errorf("a value is named %q, want %q", timm.Graph.Nodes[i].Name(), n.Name())
			}
		}
	}
}

func TestOptions(t *testing.T) {
	data := tt.Safetensors(tt.Tiny().StateDict()...)
	labels := strings.Split("a b c d e f g h i ü", " ")
	m := build(t, data, model.Options{Batch: 4, Height: 64, Width: 96, Softmax: true, Labels: labels, Preprocess: preprocess.ImageNet(64, 96, 0.9)})
	if got := m.Graph.Inputs[0].Type.String(); got != "float32 4×3×64×96" {
		t.Errorf("input %s", got)
	}
	if got := m.Graph.Outputs[0].Name; got != "probabilities" {
		t.Errorf("output %s", got)
	}
	meta := m.Graph.Metadata
	if meta[model.MetaLabels] != `["a","b","c","d","e","f","g","h","i","ü"]` || meta[model.MetaClasses] != "10" || meta[model.MetaDistilled] != "true" ||
		meta[model.MetaVariant] != "RepViT (custom)" || meta[model.MetaGeneration] != "v2" {
		t.Errorf("metadata %v", meta)
	}
	var p preprocess.Config
	if err := json.Unmarshal([]byte(meta[model.MetaPreprocess]), &p); err != nil || !reflect.DeepEqual(p, preprocess.ImageNet(64, 96, 0.9)) {
		t.Errorf("preprocessing %+v, %v", p, err)
	}
	sum := 0.0
	for _, v := range run(t, m.Graph, ramp(4, 3, 64, 96)).Float64s()[:10] {
		sum += v
	}
	if math.Abs(sum-1) > 1e-9 {
		t.Errorf("probabilities sum to %v", sum)
	}
	if got := build(t, data, model.Options{}).Graph.Inputs[0].Type.String(); got != "float32 batch×3×height×width" {
		t.Errorf("input %s", got)
	}
	if _, err := family.Build(stateDict(t, data), model.Options{Labels: labels[:9]}); err == nil || !strings.Contains(err.Error(), "found 9 labels, expected one for each of 10 classes") {
		t.Errorf("too few labels: %v", err)
	}
}

// TestBackbone converts a network without a classifier for its features only.
func TestBackbone(t *testing.T) {
	net := tt.Tiny()
	net.Classes = 0
	data := tt.Safetensors(net.StateDict()...)
	m := build(t, data, model.Options{Features: true, Strides: [][2]int{{2, 2}}})
	if len(m.Graph.Outputs) != 2 || m.Graph.Outputs[0].Name != "stage1" || m.Graph.Outputs[1].Name != "stage2" {
		t.Errorf("outputs %v", m.Graph.Outputs)
	}
	types, err := m.Graph.Infer(graph.FixedShape(1, 3, 64, 64))
	if err != nil {
		t.Fatal(err)
	}
	if got := types[m.Graph.Outputs[1]].String(); got != "float32 1×16×8×8" {
		t.Errorf("stage 2 is %s", got)
	}
	// A network without any head is a backbone.
	if m := build(t, data, model.Options{Strides: [][2]int{{2, 2}}}); len(m.Graph.Outputs) != 2 || m.Info.Taps.String() != "ends: 2 5" || m.Info.Classes != 0 {
		t.Errorf("outputs %v, taps %v", m.Graph.Outputs, m.Info.Taps)
	}
	// Where there are not four stages, nobody knows the strides of a backbone.
	if _, err := family.Build(stateDict(t, data), model.Options{Features: true}); !errors.Is(err, model.ErrStrides) || !strings.Contains(err.Error(), "found 2 stages") {
		t.Errorf("two stages: %v", err)
	}
	if _, err = family.Build(stateDict(t, data), model.Options{Features: true, Strides: [][2]int{{2, 2}}, Labels: []string{"a"}}); err == nil || !strings.Contains(err.Error(), "found 1 labels, expected none") {
		t.Errorf("labels for features: %v", err)
	}
	// A classifier that is there is left out.
	full := build(t, tt.Safetensors(tt.Tiny().StateDict()...), model.Options{Features: true, Strides: [][2]int{{2, 2}}})
	if len(full.Ignored) != 12 || !strings.HasPrefix(full.Ignored[0], "classifier.") {
		t.Errorf("ignored %q", full.Ignored)
	}
}

// TestPrefix converts a network that is a part of a detector.
func TestPrefix(t *testing.T) {
	plain := build(t, tt.Safetensors(tt.Tiny().StateDict()...), model.Options{})
	net := tt.Tiny().StateDict()
	for i := range net {
		net[i].Name = "detector.backbone." + net[i].Name
	}
	neck := tt.Named{Name: "neck.features.weight", Shape: []int{1}, Values: []float32{1}}
	m := build(t, tt.Safetensors(append(slices.Clone(net), neck)...), model.Options{})
	if !slices.Equal(m.Ignored, []string{neck.Name}) || text(m.Info) != text(plain.Info) {
		t.Errorf("ignored %q, recognised as %+v", m.Ignored, m.Info)
	}
	x := ramp(1, 3, 32, 32)
	if d := distance(t, run(t, m.Graph, x), run(t, plain.Graph, x)); d != 0 {
		t.Errorf("differs by %g", d)
	}
	_, err := family.Build(stateDict(t, tt.Safetensors(net[1:]...)), model.Options{})
	var key *model.KeyError
	if !errors.As(err, &key) || key.Key != "detector.backbone.features.0.0.c.weight" {
		t.Errorf("a key is missing: %v", err)
	}
	net[3].Values[0] = float32(math.Inf(1))
	var value *model.ValueError
	if _, err := family.Build(stateDict(t, tt.Safetensors(net...)), model.Options{}); !errors.As(err, &value) || value.Key != net[3].Name {
		t.Errorf("an infinite element: %v", err)
	}
	unexpected := tt.Named{Name: "detector.backbone.features.1.x.weight", Shape: []int{1}, Values: []float32{1}}
	if _, err := family.Build(stateDict(t, tt.Safetensors(append(tt.Tiny().StateDict(), net...)...)), model.Options{}); err != nil {
		t.Errorf("the network itself beside another: %v", err)
	}
	net[3].Values[0] = 0
	if _, err := family.Build(stateDict(t, tt.Safetensors(append(slices.Clone(net), unexpected)...)), model.Options{}); !errors.As(err, &key) || key.Key != unexpected.Name {
		t.Errorf("an unexpected key: %v", err)
	}
	other := tt.Tiny().StateDict()
	for i := range other {
		other[i].Name = "teacher." + other[i].Name
	}
	if _, err := family.Build(stateDict(t, tt.Safetensors(append(slices.Clone(net), other...)...)), model.Options{}); !errors.Is(err, model.ErrFamily) || !strings.Contains(err.Error(), `under "detector.backbone." and "teacher."`) {
		t.Errorf("two networks: %v", err)
	}
}

func TestIgnored(t *testing.T) {
	tensors := append(tt.Tiny().StateDict(), tt.Named{Name: "loss.weight", Shape: []int{1}, Values: []float32{1}})
	if m := build(t, tt.Safetensors(tensors...), model.Options{}); !slices.Equal(m.Ignored, []string{"loss.weight"}) {
		t.Errorf("ignored %q", m.Ignored)
	}
}

func TestErrorKinds(t *testing.T) {
	change := func(name string, f func(*tt.Named)) []byte {
		net := tt.Tiny().StateDict()
		for i := range net {
			if net[i].Name == name {
				f(&net[i])
			}
		}
		return tt.Safetensors(net...)
	}
	_, err := family.Build(stateDict(t, change("features.2.channel_mixer.m.0.c.weight", func(n *tt.Named) { n.Values[3] = float32(math.NaN()) })), model.Options{})
	var value *model.ValueError
	if !errors.As(err, &value) || !errors.Is(err, model.ErrValue) || value.Key != "features.2.channel_mixer.m.0.c.weight" || value.Index != 3 {
		t.Errorf("NaN: %v", err)
	}
	_, err = family.Build(stateDict(t, change("features.4.token_mixer.0.bn.bias", func(n *tt.Named) { n.Shape = []int{4, 4} })), model.Options{})
	var key *model.KeyError
	if !errors.As(err, &key) || key.Key != "features.4.token_mixer.0.bn.bias" || !slices.Equal(key.Found, []int{4, 4}) || key.Want != "[16]" {
		t.Errorf("shape: %v", err)
	}
	// Where the width is free, the tensor that stands alone is blamed.
	_, err = family.Build(stateDict(t, change("features.0.0.bn.bias", func(n *tt.Named) { n.Shape, n.Values = []int{2}, n.Values[:2] })), model.Options{})
	if !errors.As(err, &key) || key.Key != "features.0.0.bn.bias" {
		t.Errorf("one of several shapes: %v", err)
	}
	if _, err = family.Build(stateDict(t, tt.Safetensors(tt.Named{Name: "x.weight", Shape: []int{1}, Values: []float32{1}})), model.Options{}); !errors.Is(err, model.ErrFamily) {
		t.Errorf("another network: %v", err)
	}
}

// TestDamaged builds networks from damaged weights. What is wrong first is told.
func TestDamaged(t *testing.T) {
	change := func(f func(net []tt.Named)) []byte {
		net := tt.Tiny().StateDict()
		f(net)
		return tt.CheckpointOf("model", net)
	}
	index := func(name string) int {
		return slices.IndexFunc(tt.Tiny().StateDict(), func(n tt.Named) bool { return n.Name == name })
	}
	weight, variance := index("features.2.channel_mixer.m.0.c.weight"), index("features.0.0.bn.running_var")
	damaged := change(func([]tt.Named) {})
	content := tt.Float32s(tt.Tiny().StateDict()[weight].Values...)
	damaged[bytes.Index(damaged, content)] ^= 1
	for name, c := range map[string]struct {
		data []byte
		want error
		key  string
	}{
		"whole":          {change(func([]tt.Named) {}), nil, ""},
		"damaged":        {damaged, pytorch.ErrFormat, tt.Tiny().StateDict()[weight].Name},
		"NaN":            {change(func(net []tt.Named) { net[weight].Values[3] = float32(math.NaN()) }), model.ErrValue, tt.Tiny().StateDict()[weight].Name},
		"negative":       {change(func(net []tt.Named) { net[variance].Values[1] = -1 }), model.ErrValue, tt.Tiny().StateDict()[variance].Name},
		"two, the first": {change(func(net []tt.Named) { net[weight].Values[0], net[variance].Values[0] = float32(math.Inf(1)), -1 }), model.ErrValue, tt.Tiny().StateDict()[variance].Name},
		"safetensors":    {tt.Safetensors(tt.Tiny().StateDict()...), nil, ""},
	} {
		_, err := family.Build(stateDict(t, c.data), model.Options{})
		if !errors.Is(err, c.want) || err != nil && !strings.Contains(err.Error(), strconv.Quote(c.key)) {
			t.Errorf("%s: error %v, want %v for %s", name, err, c.want, c.key)
		}
	}
}

// TestAllKeys: all keys that do not fit are in one error, as PyTorch lists them, and no more of them
// than can be read.
func TestAllKeys(t *testing.T) {
	net := tt.Tiny().StateDict()
	of := func(suffix string) (names []string) {
		for _, n := range net {
			if strings.HasSuffix(n.Name, suffix) {
				names = append(names, n.Name)
			}
		}
		return names
	}
	means := of(".running_mean")
	if len(means) < 10 {
		t.Fatalf("found %d means", len(means))
	}
	changed := func(change func(n *tt.Named) bool) []tt.Named {
		var out []tt.Named
		for _, n := range net {
			if change(&n) {
				out = append(out, n)
			}
		}
		return out
	}
	rename := func(n *tt.Named) bool { // two keys and a shape are others
		switch n.Name {
		case means[1], means[3]:
			n.Name = strings.Replace(n.Name, "running_mean", "moving_mean", 1)
		case means[5]:
			n.Shape, n.Values = []int{len(n.Values) + 1}, append(slices.Clone(n.Values), 0)
		}
		return true
	}
	moved := func(i int) string { return strings.Replace(means[i], "running_mean", "moving_mean", 1) }
	for name, c := range map[string]struct {
		net  []tt.Named
		keys []string
		text string
	}{
		"some of each kind": {changed(rename), []string{means[1], means[3], means[5], moved(1), moved(3)},
			fmt.Sprintf("; of all keys 2 missing: %q, %q; 1 of another shape: %q; 2 unexpected: %q, %q", means[1], means[3], means[5], moved(1), moved(3))},
		"all means": {changed(func(n *tt.Named) bool { return !strings.HasSuffix(n.Name, ".running_mean") }), means, fmt.Sprintf("save state_dict(), not parameters(); of all keys %d missing: ", len(means))},
	} {
		_, err := family.Build(stateDict(t, tt.Safetensors(c.net...)), model.Options{})
		var all *model.KeysError
		var first *model.KeyError
		if !errors.As(err, &all) || !errors.As(err, &first) || !errors.Is(err, model.ErrKey) || first.Key != c.keys[0] {
			t.Errorf("%s: %v", name, err)
			continue
		}
		var got []string
		for _, k := range all.Keys {
			got = append(got, k.Key)
		}
		if !slices.Equal(got, c.keys) {
			t.Errorf("%s: found %q, want %q", name, got, c.keys)
		}
		if text := err.Error(); !strings.Contains(text, c.text) || len(text) > 1500 || strings.Contains(text, "\n") {
			t.Errorf("%s: %s, want %s", name, text, c.text)
		}
	}
}
