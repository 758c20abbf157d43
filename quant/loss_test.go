package quant

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
)

func TestVerdict(t *testing.T) {
	below := func(x float64) float64 { return math.Nextafter(x, math.Inf(-1)) }
	for _, c := range []struct {
		l    Loss
		want Verdict
	}{
		{Loss{Images: 64, SQNR: 20, Agree: 0.9, Classes: true}, Good},
		{Loss{Images: 64, SQNR: below(20), Agree: 1, Classes: true}, Noticeable},
		{Loss{Images: 64, SQNR: 200, Agree: below(0.9), Classes: true}, Noticeable},
		{Loss{Images: 64, SQNR: 10, Agree: 0.5, Classes: true}, Noticeable},
		{Loss{Images: 64, SQNR: below(10), Agree: 1, Classes: true}, Unusable},
		{Loss{Images: 64, SQNR: 200, Agree: below(0.5), Classes: true}, Unusable},
		// Of few images, or of feature maps, agreement says nothing.
		{Loss{Images: 15, SQNR: 20, Classes: true}, Good},
		{Loss{Images: 16, SQNR: 20, Classes: true}, Unusable},
		{Loss{Images: 64, SQNR: 20}, Good},
		{Loss{Images: 64, SQNR: -200}, Unusable},
		{Loss{Images: 64, SQNR: math.NaN()}, Unusable},
		{Loss{}, Unusable},
	} {
		if got := c.l.Verdict(); got != c.want {
			t.Errorf("%+v is %q, want %q", c.l, got, c.want)
		}
	}
}

func TestLossOf(t *testing.T) {
	row := func(v ...float32) *graph.Tensor { return graph.Float32Tensor([]int{len(v) / 2, 2}, v) }
	nan := float32(math.NaN())
	pixels := func(v ...float32) *graph.Tensor { return graph.Float32Tensor([]int{1, 2, 1, len(v) / 2}, v) }
	for name, c := range map[string]struct {
		got, want [][]*graph.Tensor
		loss      Loss
	}{
		"equal":         {[][]*graph.Tensor{{row(1, 2)}}, [][]*graph.Tensor{{row(1, 2)}}, Loss{1, 200, 1, true, false}},
		"one of two":    {[][]*graph.Tensor{{row(3, 4, 1, 0)}}, [][]*graph.Tensor{{row(3, 4, 0, 1)}}, Loss{2, 10 * math.Log10(26.0/2), 0.5, true, false}},
		"two batches":   {[][]*graph.Tensor{{row(3, 4), row(0, 10)}}, [][]*graph.Tensor{{row(3, 4), row(0, 9)}}, Loss{2, 10 * math.Log10(106.0), 1, true, false}},
		"worst output":  {[][]*graph.Tensor{{row(300, 400)}, {row(0, 1)}}, [][]*graph.Tensor{{row(300, 400)}, {row(1, 1)}}, Loss{1, 10 * math.Log10(2), 0, false, false}},
		"not a number":  {[][]*graph.Tensor{{row(nan, 1)}}, [][]*graph.Tensor{{row(0, 1)}}, Loss{1, -200, 1, true, false}},
		"a map":         {[][]*graph.Tensor{{pixels(1, 2, 4, 0, 4, 3)}}, [][]*graph.Tensor{{pixels(1, 2, 2, 0, 3, 3)}}, Loss{1, 10 * math.Log10(27.0/5), 2. / 3, true, true}},
		"nothing there": {[][]*graph.Tensor{{row(0, 1)}}, [][]*graph.Tensor{{row(0, 0)}}, Loss{1, -200, 0, true, false}},
	} {
		if got := lossOf(c.got, c.want, Options{Maps: true}); got != c.loss {
			t.Errorf("%s: %+v, want %+v", name, got, c.loss)
		}
	}
}

func TestHoldOut(t *testing.T) {
	for _, n := range []int{2, 3, 4, 7, 16, 257} {
		all := images(1, n)
		most, held, err := holdOut(all)
		if err != nil {
			t.Fatal(err)
		}
		if want := max(1, n/4); len(held) != want || len(most)+len(held) != n {
			t.Errorf("%d images: %d and %d, want %d held out", n, len(most), len(held), want)
		}
		for i, x := range all {
			if slices.Contains(most, x) == slices.Contains(held, x) {
				t.Errorf("%d images: image %d is on both sides or on none", n, i)
			}
		}
		for i, x := range held { // spread: one in every stretch
			if k := slices.Index(all, x); k < i*n/len(held) || k >= (i+1)*n/len(held) {
				t.Errorf("%d images: the one held out as number %d is image %d", n, i, k)
			}
		}
	}
}

// TestLossIsTrue compares what is reported with what other images show.
func TestLossIsTrue(t *testing.T) {
	fresh := images(700000, 48)
	for _, c := range []struct {
		file    string
		scope   Scope
		method  Method
		images  int
		verdict Verdict
	}{
		{"v2_release.pth", Pointwise, MSE, 64, Good},
		{"v2_release.pth", All, MSE, 64, Good},
		{"v2_release.pth", Pointwise, MSE, 16, Good},
		{"v1_release.pth", All, MSE, 64, Good},
		{"timm_v2.pth", All, Entropy, 64, Noticeable},
		{"v1_release.pth", All, Entropy, 64, Unusable},
	} {
		_, deploy := load(t, c.file, model.Options{})
		g, r, err := Quantize(context.Background(), nil, deploy, images(1000, c.images), [2]int{}, Options{Scope: c.scope, Method: c.method})
		if err != nil {
			t.Fatal(err)
		}
		truth := against(t, deploy, g, fresh)
		if d := r.Loss.SQNR - truth; d > 3 || d < -4 {
			t.Errorf("%s, %s, %s, %d images: %.1f dB reported, %.1f found", c.file, c.scope, c.method, c.images, r.Loss.SQNR, truth)
		}
		if r.Verdict != c.verdict || r.HeldOut != c.images/4 || r.Samples != c.images {
			t.Errorf("%s, %s, %s: %s on %d held out of %d, want %s", c.file, c.scope, c.method, r.Verdict, r.HeldOut, r.Samples, c.verdict)
		}
	}
}

// TestMadeUp: inputs that were made up show what is ruined, and never call anything good.
func TestMadeUp(t *testing.T) {
	for _, c := range []struct {
		file   string
		method Method
		want   Verdict
	}{
		{"v2_release.pth", MSE, Noticeable},
		{"v2_fused.pth", MSE, Noticeable},
		{"v1_release.pth", MSE, Noticeable},
		{"v1_release.pth", Entropy, Unusable},
	} {
		training, deploy := load(t, c.file, model.Options{})
		g, r, err := Quantize(context.Background(), training, deploy, nil, [2]int{64, 64}, Options{Scope: All, Method: c.method})
		if err != nil {
			t.Fatal(err)
		}
		if r.Verdict != c.want || r.Doubt.SQNR > r.Loss.SQNR || r.HeldOut == 0 {
			t.Errorf("%s, %s: %+v, doubt %+v, %s, want %s", c.file, c.method, r.Loss, r.Doubt, r.Verdict, c.want)
		}
		made, err := Made(context.Background(), 3, 64, 64)
		if err != nil {
			t.Fatal(err)
		}
		// One of the two figures is the graph's own on these images.
		if own := against(t, deploy, g, made); math.Abs(own-r.Loss.SQNR) > 1e-3 && math.Abs(own-r.Doubt.SQNR) > 1e-3 {
			t.Errorf("%s, %s: %.2f dB on the images made up, reported %.2f and %.2f", c.file, c.method, own, r.Loss.SQNR, r.Doubt.SQNR)
		}
	}
}

// TestFeaturesHaveNoClasses: of several outputs the worst counts, and agreement does not.
func TestFeaturesHaveNoClasses(t *testing.T) {
	_, deploy := load(t, "v2_release.pth", model.Options{Features: true})
	g, r, err := Quantize(context.Background(), nil, deploy, images(1000, 16), [2]int{}, Options{Scope: All})
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Outputs) < 2 || r.Loss.Classes || r.Loss.Images != 4 || r.Verdict == Unusable {
		t.Errorf("%d outputs: %+v, %s", len(g.Outputs), r.Loss, r.Verdict)
	}
	_, deploy = load(t, "v2_release.pth", model.Options{Embedding: true})
	if _, r, err = Quantize(context.Background(), nil, deploy, images(1000, 16), [2]int{}, Options{NoLogits: true}); err != nil || r.Loss.Classes || r.Loss.Agree != 0 {
		t.Errorf("embedding: %+v, %v", r, err)
	}
}
