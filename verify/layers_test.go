package verify

import (
	"context"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/reparam"
)

func TestCheckEqual(t *testing.T) {
	for _, name := range []string{"v1_release.pth", "v2_release.pth", "timm_v1.safetensors"} {
		training := checkpoint(t, name)
		deploy := reparam.Fuse(training)
		x := random(t, 2, 3, 64, 64)
		for what, c := range map[string]struct{ want, got Engine }{
			"fused, in float64":      {truth(t, training), truth(t, deploy)},
			"fused, in float32":      {truth(t, training), fast(t, deploy)},
			"fused, both in float32": {fast(t, training), fast(t, deploy)},
			"itself":                 {truth(t, training), truth(t, training)},
		} {
			got, err := Check(t.Context(), c.got, c.want, x, DefaultTolerance)
			if err != nil {
				t.Fatal(err)
			}
			if !got.Equal || got.Top1Agree != 1 || got.FirstDivergence != nil || got.MaxAbs > 1e-4 {
				t.Errorf("%s, %s: %+v", name, what, got)
			}
			first, err := FirstDivergence(t.Context(), c.got, c.want, x, DefaultTolerance)
			if err != nil || first != nil {
				t.Errorf("%s, %s: %v diverges, error %v", name, what, first, err)
			}
		}
	}
}

func TestCheckNamesTheFirstDivergence(t *testing.T) {
	training := checkpoint(t, "v2_release.pth")
	x := random(t, 1, 3, 64, 64)
	for weight, value := range map[string]string{
		"features.0.0.c.weight":                       "features.0.conv1.c",
		"features.3.token_mixer.0.bn.bias":            "features.3.token_mixer.dw",
		"features.5.channel_mixer.m.2.bn.weight":      "features.5.channel_mixer.conv2",
		"classifier.classifier.l.weight":              "classifier",
		"features.4.token_mixer.0.conv1.weight":       "features.4.token_mixer.dw.conv1",
		"features.2.channel_mixer.m.0.bn.running_var": "features.2.channel_mixer.conv1",
	} {
		wrong := change(t, training, weight, 1.5)
		for engine, got := range map[string]Engine{"reference": truth(t, wrong), "fast": fast(t, wrong)} {
			c, err := Check(t.Context(), got, truth(t, training), x, DefaultTolerance)
			if err != nil {
				t.Fatal(err)
			}
			if c.Equal || c.FirstDivergence == nil || c.FirstDivergence.Value != value || !(c.FirstDivergence.MaxAbs > 0) {
				t.Errorf("%s wrong, %s engine: %+v first %+v, want %s", weight, engine, c, c.FirstDivergence, value)
			}
		}
		// Fused, the first value that has a common name is the one that the weight went into.
		c, err := Check(t.Context(), fast(t, reparam.Fuse(wrong)), truth(t, training), x, DefaultTolerance)
		if err != nil {
			t.Fatal(err)
		}
		if c.FirstDivergence == nil || !strings.HasPrefix(value, c.FirstDivergence.Value) && c.FirstDivergence.Value != "logits" {
			t.Errorf("%s wrong and fused: %+v, want what %s went into", weight, c.FirstDivergence, value)
		}
	}
}

func TestLayers(t *testing.T) {
	training := checkpoint(t, "v2_release.pth")
	deploy := reparam.Fuse(training)
	layers, err := Layers(t.Context(), fast(t, deploy), truth(t, training), random(t, 1, 3, 64, 64))
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]bool{}
	for _, n := range training.Nodes {
		names[n.Name()] = true
	}
	want := 0
	for _, n := range deploy.Nodes {
		if names[n.Name()] {
			want++
		}
	}
	if len(layers) != want || want < 50 {
		t.Errorf("%d layers, want %d", len(layers), want)
	}
	for _, l := range layers {
		if l.Kind == "" || !(l.SQNR > 80) || !(l.RelL2 < 1e-4) || l.Diverges(DefaultTolerance) || l.Magnitude > l.Scale {
			t.Errorf("%+v", l)
		}
	}
}

// A network with other names, other shapes, or another order of nodes.
func TestLayersOfOtherNetworks(t *testing.T) {
	in := func() *graph.Value {
		return &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 2)}}
	}
	build := func(names ...string) *graph.Graph {
		x := in()
		g := &graph.Graph{Inputs: []*graph.Value{x}}
		a := g.Add(names[0], graph.Relu{}, x)
		b := g.Add(names[1], graph.Sigmoid{}, x)
		g.Outputs = []*graph.Value{g.Add(names[2], graph.Add{}, a, b)}
		return g
	}
	swapped := build("a", "b", "y")
	swapped.Nodes[0], swapped.Nodes[1] = swapped.Nodes[1], swapped.Nodes[0]
	x := random(t, 1, 2)
	names := func(a, b *graph.Graph) string {
		layers, err := Layers(t.Context(), truth(t, a), truth(t, b), x)
		if err != nil {
			t.Fatal(err)
		}
		var s []string
		for _, l := range layers {
			s = append(s, l.Value)
			if l.MaxAbs != 0 || l.RelL2 != 0 || l.SQNR != math.Inf(1) {
				t.Errorf("%+v", l)
			}
		}
		return strings.Join(s, " ")
	}
	for _, c := range []struct {
		a, b *graph.Graph
		want string
	}{
		{build("a", "b", "y"), build("a", "b", "y"), "a b y"},
		{build("a", "b", "y"), swapped, "b a y"},
		{swapped, build("a", "b", "y"), "a b y"},
		{build("a", "q", "y"), build("a", "b", "y"), "a y"},
		{build("c", "d", "e"), build("a", "b", "y"), ""},
	} {
		if got := names(c.a, c.b); got != c.want {
			t.Errorf("found %q, want %q", got, c.want)
		}
	}

	// Without common names the output is to blame; the roles of relu and sigmoid differ.
	other := build("c", "d", "e")
	other.Nodes[0].Op = graph.Sigmoid{}
	c, err := Check(t.Context(), truth(t, other), truth(t, build("a", "b", "y")), x, DefaultTolerance)
	if err != nil || c.Equal || c.FirstDivergence == nil || c.FirstDivergence.Value != "e" {
		t.Errorf("%+v %+v %v", c, c.FirstDivergence, err)
	}

	flat := build("a", "b", "y")
	flat.Nodes[0].Op = graph.Transpose{Perm: []int{1, 0}}
	flat.Nodes[2].Op, flat.Nodes[2].Inputs = graph.Relu{}, flat.Nodes[1:2][0].Inputs
	layers, err := Layers(t.Context(), truth(t, flat), truth(t, build("a", "b", "y")), x)
	if err != nil || len(layers) != 3 || !math.IsInf(layers[0].MaxAbs, 1) || !layers[0].Diverges(DefaultTolerance) {
		t.Errorf("%+v %v", layers, err)
	}
}

// What a value is measured by: its own size, but not below a thousandth of what it was
// computed from.
func TestDiverges(t *testing.T) {
	tol := Tolerance{Abs: 1e-4, Rel: 1e-3}
	for _, c := range []struct {
		l    Layer
		want bool
	}{
		{Layer{MaxAbs: 0, Scale: 0}, false},
		{Layer{MaxAbs: 1.1e-3, Scale: 1.01}, false},
		{Layer{MaxAbs: 1.2e-3, Scale: 1}, true},
		{Layer{MaxAbs: inf, Scale: 1}, true},
		{Layer{MaxAbs: nan, Scale: 1}, true},
	} {
		if c.l.Diverges(tol) != c.want {
			t.Errorf("%+v diverges: %v", c.l, !c.want)
		}
	}
	for sqnr, want := range map[float64]bool{quant.UsableSQNR: false, quant.UsableSQNR - 1e-9: true, nan: true} {
		if (Layer{SQNR: sqnr}).Diverges(Int8Tolerance) != want {
			t.Errorf("%v dB of an int8 layer diverge: %v", sqnr, !want)
		}
	}
	x := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(2)}}
	g := &graph.Graph{Inputs: []*graph.Value{x}}
	g.Outputs = []*graph.Value{g.Add("y", graph.Add{}, x, graph.Weight("w", graph.Float32Tensor([]int{2}, []float32{-8, -4})))}
	layers, err := Layers(t.Context(), truth(t, g), truth(t, g), graph.Float32Tensor([]int{2}, []float32{8, 4.0000005}))
	if err != nil || len(layers) != 1 || layers[0].Scale != 8e-3 || layers[0].Magnitude > 1e-6 {
		t.Errorf("%+v %v", layers, err)
	}
}

func TestCheckErrors(t *testing.T) {
	g := checkpoint(t, "v2_release.pth")
	e := truth(t, g)
	if _, err := Check(t.Context(), e, e, random(t, 1, 4, 64, 64), DefaultTolerance); !errors.Is(err, graph.ErrShape) {
		t.Errorf("four channels: %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	x := random(t, 1, 3, 64, 64)
	if _, err := Check(ctx, e, e, x, DefaultTolerance); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	if _, err := Layers(ctx, e, e, x); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled layers: %v", err)
	}
	two := g.Clone()
	two.Outputs = append(two.Outputs, two.Nodes[3].Output)
	if _, err := Check(t.Context(), truth(t, two), e, x, DefaultTolerance); !errors.Is(err, graph.ErrShape) {
		t.Errorf("other number of outputs: %v", err)
	}
	wrong := change(t, two, "features.0.0.c.weight", 2)
	c, err := Check(t.Context(), truth(t, wrong), truth(t, two), x, DefaultTolerance)
	if err != nil || c.Equal || c.FirstDivergence.Value != "features.0.conv1.c" {
		t.Errorf("two outputs: %+v, %v", c, err)
	}
}

// Values that leave the range of float32 are named, with the network that they are in.
func TestCheckNamesOverflow(t *testing.T) {
	large := change(t, checkpoint(t, "v2_release.pth"), "features.0.0.c.weight", 1e38)
	x := random(t, 1, 3, 64, 64)
	for i, v := range x.Float32s() {
		x.Float32s()[i] = 100 * v
	}
	const value = "features.0.conv1.c"
	for what, c := range map[string]struct {
		want, got Engine
		found     []NotFinite
	}{
		"only the one compared": {truth(t, large), fast(t, large), []NotFinite{{true, value}}},
		"only the one wanted":   {fast(t, large), truth(t, large), []NotFinite{{false, value}}},
		"both":                  {fast(t, large), fast(t, large), []NotFinite{{false, value}, {true, value}}},
		"none":                  {truth(t, large), truth(t, large), nil},
	} {
		got, err := Check(t.Context(), c.got, c.want, x, DefaultTolerance)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.NotFinite, c.found) || got.Equal != (c.found == nil) {
			t.Errorf("%s: %+v, want %v", what, got, c.found)
		}
	}
	// Infinities of one sign are equal numbers, but no evidence.
	in := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 1)}}
	g := &graph.Graph{Inputs: []*graph.Value{in}}
	square := g.Add("square", graph.Mul{}, in, in)
	g.Outputs = []*graph.Value{g.Add("y", graph.Relu{}, square)}
	got, err := Check(t.Context(), fast(t, g), fast(t, g), graph.Float32Tensor([]int{1, 1}, []float32{1e30}), DefaultTolerance)
	if err != nil || got.Equal || got.FirstDivergence != nil || !slices.Equal(got.NotFinite, []NotFinite{{false, "square"}, {true, "square"}}) {
		t.Errorf("%+v, %v", got, err)
	}
	text, err := json.Marshal(got)
	if err != nil || !strings.Contains(string(text), `"not_finite":[{"network":"want","value":"square"},{"network":"got","value":"square"}]`) {
		t.Errorf("%s, %v", text, err)
	}
}
