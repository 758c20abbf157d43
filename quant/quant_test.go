package quant

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
)

// load returns a small network in both forms.
func load(t testing.TB, name string, opts model.Options) (training, deploy *graph.Graph) {
	t.Helper()
	f, err := pytorch.Open(filepath.Join("..", "testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	sd, err := f.StateDict(pytorch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := family.Build(sd, opts)
	if err != nil {
		t.Fatal(err)
	}
	return m.Graph, reparam.Fuse(m.Graph)
}

// images returns inputs that look somewhat like images; other seeds give others.
func images(seed uint64, n int) []*graph.Tensor {
	var out []*graph.Tensor
	for i := range n {
		out = append(out, graph.Float32Tensor([]int{1, 3, 64, 64}, noiseImage(seed+uint64(i), 3, 64, 64)))
	}
	return out
}

// against runs two graphs on inputs and returns the second's SQNR against the first.
func against(t testing.TB, a, b *graph.Graph, data []*graph.Tensor) float64 {
	t.Helper()
	x, err := outputs(context.Background(), anyBatch(a), data, 0)
	if err != nil {
		t.Fatal(err)
	}
	y, err := outputs(context.Background(), anyBatch(b), data, 0)
	if err != nil {
		t.Fatal(err)
	}
	return lossOf(y, x, Options{}).SQNR
}

func TestQuantize(t *testing.T) {
	calibration, fresh := images(1000, 24), images(5000, 8)
	for _, c := range []struct {
		file  string
		scope Scope
		blind bool
		want  float64 // dB on inputs that calibration did not see
	}{
		{"v2_release.pth", Pointwise, false, 25},
		{"v2_release.pth", All, false, 16},
		{"v2_release.pth", Pointwise, true, 20},
		{"v1_release.pth", Pointwise, false, 25},
		{"v1_release.pth", All, false, 16},
		{"timm_v2.pth", All, true, 12},
		{"v2_fused.pth", Pointwise, true, 20},
	} {
		t.Run(fmt.Sprint(c.file, c.scope, c.blind), func(t *testing.T) {
			training, deploy := load(t, c.file, model.Options{})
			data := calibration
			if c.blind {
				data = nil
			}
			g, r, err := Quantize(context.Background(), training, deploy, data, [2]int{64, 64}, Options{Scope: c.scope})
			if err != nil {
				t.Fatal(err)
			}
			if err := g.Validate(); err != nil {
				t.Fatal(err)
			}
			if got := against(t, deploy, g, fresh); got < c.want {
				t.Errorf("SQNR %.1f dB, want %.0f at least", got, c.want)
			}
			wantSource := FromImages
			if c.blind {
				wantSource = FromBatchNorm
				if c.file == "v2_fused.pth" {
					wantSource = FromNoise
				}
			}
			if r.Calibration != wantSource || len(r.Layers) == 0 || len(r.Ranges) == 0 || r.Samples < 8 {
				t.Errorf("report %q of %d samples with %d layers, %d ranges", r.Calibration, r.Samples, len(r.Layers), len(r.Ranges))
			}
			for _, v := range r.Ranges {
				if !(v.Low <= 0 && v.High >= 0 && v.High > v.Low) {
					t.Errorf("%s covers [%v, %v]", v.Name, v.Low, v.High)
				}
			}
			checkIntegers(t, g, c.scope)
		})
	}
}

// checkIntegers checks that the operators of the scope, and only they, stand between
// DequantizeLinear, and that logits stay float.
func checkIntegers(t *testing.T, g *graph.Graph, s Scope) {
	t.Helper()
	p := g.Producers()
	if last := p[g.Outputs[0]]; last.Op.Kind() != "Gemm" {
		t.Errorf("logits come from %s (%s), want them from Gemm, as float32", last.Name(), last.Op.Kind())
	}
	for _, n := range g.Nodes {
		switch op := n.Op.(type) {
		case graph.Conv, graph.Gemm:
			_, w := p[n.Inputs[1]]
			x := false
			if from := p[n.Inputs[0]]; from != nil {
				_, x = from.Op.(graph.DequantizeLinear)
			}
			c, conv := op.(graph.Conv)
			if s == All && !(w && x) {
				t.Errorf("%s is not in int8", n.Name())
			}
			if s == Pointwise && conv && c.Pads[0] > 0 && w {
				t.Errorf("%s is in int8", n.Name())
			}
		case graph.Relu:
			if s == All {
				t.Errorf("%s was not absorbed", n.Name())
			}
		}
	}
}

func flat(g *graph.Graph) []byte {
	var b bytes.Buffer
	for _, n := range g.Nodes {
		fmt.Fprintln(&b, n.Name(), n.Op.Kind())
	}
	for _, w := range g.Weights() {
		fmt.Fprintln(&b, w.Name, w.Const.DType, w.Const.Shape)
		b.Write(w.Const.Bytes())
	}
	return b.Bytes()
}

func TestSameBytesForAnyThreads(t *testing.T) {
	training, deploy := load(t, "v2_release.pth", model.Options{})
	before := flat(deploy)
	for _, data := range [][]*graph.Tensor{images(1, 8), nil} {
		var first []byte
		for _, threads := range []int{1, 2, 5} {
			g, _, err := Quantize(context.Background(), training, deploy, data, [2]int{64, 64}, Options{Scope: All, Threads: threads, KeepFloat: 1})
			if err != nil {
				t.Fatal(err)
			}
			got := flat(g)
			if first == nil {
				first = got
			}
			if !bytes.Equal(first, got) {
				t.Errorf("%d threads give other bytes than one", threads)
			}
		}
	}
	if !bytes.Equal(before, flat(deploy)) {
		t.Error("the graph given was changed")
	}
}

func TestEqualizeIsExact(t *testing.T) {
	for _, name := range []string{"v2_release.pth", "v1_release.pth", "timm_v1.safetensors"} {
		for _, features := range []bool{false, true} {
			_, deploy := load(t, name, model.Options{Features: features})
			own := anyBatch(deploy)
			data := images(3, 4)
			n, err := newNetwork(own, own, graph.FixedShape(1, 3, 64, 64))
			if err != nil {
				t.Fatal(err)
			}
			before := flat(own)
			o, _ := Options{}.check()
			if err := equalize(context.Background(), n, data, n.quantized(n.scope(All)), o); err != nil {
				t.Fatal(err)
			}
			if bytes.Equal(before, flat(own)) {
				t.Errorf("%s: nothing was scaled", name)
			}
			if got := against(t, deploy, own, data); got < 110 {
				t.Errorf("%s: outputs changed, SQNR %.1f dB, want float32's precision", name, got)
			}
		}
	}
}

func TestKeepFloat(t *testing.T) {
	_, deploy := load(t, "v2_release.pth", model.Options{})
	data := images(1, 8)
	got := map[int]float64{}
	for _, keep := range []int{0, 8, 1 << 20, KeepAuto} {
		g, r, err := Quantize(context.Background(), nil, deploy, data, [2]int{}, Options{Scope: All, KeepFloat: keep})
		if err != nil {
			t.Fatal(err)
		}
		got[keep] = against(t, deploy, g, data)
		marked := 0
		for _, l := range r.Layers {
			if l.Float != slices.Contains(r.KeptFloat, l.Name) {
				t.Errorf("layer %s: Float %v", l.Name, l.Float)
			}
			if l.Float {
				marked++
			}
			if keep != 0 && l.SQNR == 0 {
				t.Errorf("layer %s was not measured", l.Name)
			}
		}
		if keep >= 0 && marked != min(keep, len(r.Layers)) {
			t.Errorf("KeepFloat %d: %d layers stayed in float", keep, marked)
		}
	}
	if !(got[8] > got[0] && got[1<<20] > 100 && got[KeepAuto] >= AutoSQNR-0.01) {
		t.Errorf("SQNR by layers kept in float: %v", got)
	}
}

// TestKeep: layers are kept by their names, and all of a part, beside those that are counted.
func TestKeep(t *testing.T) {
	_, deploy := load(t, "v2_release.pth", model.Options{})
	data := images(1, 8)
	quantize := func(o Options) (*graph.Graph, []string) {
		g, r, err := Quantize(context.Background(), nil, deploy, data, [2]int{}, o)
		if err != nil {
			t.Fatal(err)
		}
		for _, l := range r.Layers {
			if l.Float != slices.Contains(r.KeptFloat, l.Name) {
				t.Errorf("layer %s: Float %v", l.Name, l.Float)
			}
		}
		return g, r.KeptFloat
	}
	_, worst := quantize(Options{Scope: All, KeepFloat: 1})
	part, _, _ := strings.Cut(worst[0], ".")
	inside := part + strings.TrimPrefix(worst[0], part)[:2] // such as features.1, but not features.10
	g, kept := quantize(Options{Scope: All, Keep: []string{inside}})
	if len(kept) < 2 {
		t.Errorf("%s stands for %q, want several layers", inside, kept)
	}
	for _, n := range g.Nodes {
		if strings.HasPrefix(n.Name(), inside+".") && n.Is(graph.Linear) && g.Producers()[n.Inputs[1]] != nil {
			t.Errorf("%s is in int8", n.Name())
		}
	}
	if _, kept := quantize(Options{Scope: All, Keep: worst, KeepFloat: 2}); len(kept) != 3 || kept[0] != worst[0] || slices.Contains(kept[1:], worst[0]) {
		t.Errorf("kept %q, want %q and two others", kept, worst)
	}
}

// TestSymmetric: activations are int8 around zero, no layer is lost, and the price is small.
func TestSymmetric(t *testing.T) {
	calibration, fresh := images(1000, 24), images(5000, 8)
	for _, c := range []struct {
		file   string
		scope  Scope
		method Method
		want   float64 // dB on inputs that calibration did not see
	}{
		{"v2_release.pth", Pointwise, MSE, 22},
		{"v2_release.pth", All, MSE, 12},
		{"v1_release.pth", All, MinMax, 12},
	} {
		_, deploy := load(t, c.file, model.Options{})
		g, r, err := Quantize(context.Background(), nil, deploy, calibration, [2]int{}, Options{Scope: c.scope, Method: c.method, Symmetric: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := against(t, deploy, g, fresh); got < c.want {
			t.Errorf("%s, %s: SQNR %.1f dB, want %.0f at least", c.file, c.scope, got, c.want)
		}
		for _, n := range g.Nodes {
			switch n.Op.(type) {
			case graph.QuantizeLinear, graph.DequantizeLinear:
				for _, z := range n.Inputs[2].Const.Float64s() {
					if d := n.Inputs[2].Const.DType; z != 0 || d != graph.Int8 && d != graph.Int32 {
						t.Errorf("%s: zero point %v of %v", n.Name(), z, d)
					}
				}
			}
		}
		relus := func(g *graph.Graph) (n int) {
			for _, node := range g.Nodes {
				if _, ok := node.Op.(graph.Relu); ok {
					n++
				}
			}
			return n
		}
		if got, want := relus(g), relus(deploy); got != want {
			t.Errorf("%d Relus, want %d: nothing else cuts off what is negative", got, want)
		}
		for _, v := range r.Ranges {
			if v.ZeroPoint != 0 || v.Low != -128*float64(v.Scale) || v.High != 127*float64(v.Scale) {
				t.Errorf("%+v is not symmetric", v)
			}
		}
		if !strings.Contains(r.Scheme, "symmetric int8 per tensor") {
			t.Errorf("scheme %q", r.Scheme)
		}
	}
}

// Integers: what each layer gives is quantized, logits too, gates with the scales that phones prescribe, at little cost.
func TestIntegers(t *testing.T) {
	_, deploy := load(t, "v2_release.pth", model.Options{Height: 64, Width: 64})
	data := images(1000, 16)
	all, _, err := Quantize(t.Context(), nil, deploy, data, [2]int{64, 64}, Options{Scope: All})
	if err != nil {
		t.Fatal(err)
	}
	g, _, err := Quantize(t.Context(), nil, deploy, data, [2]int{64, 64}, Options{Scope: All, Integers: true})
	if err != nil {
		t.Fatal(err)
	}
	consumers := g.Consumers()
	gates := 0
	for _, n := range g.Nodes {
		if n.Is(graph.Converts) {
			continue
		}
		c := consumers[n.Output]
		if len(c) != 1 || c[0].Op != (graph.QuantizeLinear{}) {
			t.Errorf("%s (%s) is not quantized", n.Name(), n.Op.Kind())
			continue
		}
		if n.Op == (graph.Sigmoid{}) {
			gates++
			if s := c[0].Inputs[1].Const.Float64s()[0]; s != 1./256 {
				t.Errorf("%s has the scale %v", n.Name(), s)
			}
		}
	}
	if gates == 0 {
		t.Error("no gates")
	}
	fresh := images(5000, 8)
	if got, want := against(t, deploy, g, fresh), against(t, deploy, all, fresh); got < want-3 {
		t.Errorf("SQNR %.1f dB, with logits and gates in float %.1f", got, want)
	}
}

// Weights alone: what computes is float, what shares a weight shares its integers, and the loss is small.
func TestWeights(t *testing.T) {
	_, deploy := load(t, "v2_release.pth", model.Options{Height: 64, Width: 64})
	for name, inputs := range map[string][]*graph.Tensor{"images": images(1000, 4), "made up": nil} {
		g, r, err := Quantize(t.Context(), nil, deploy, inputs, [2]int{64, 64}, Options{Scope: Weights})
		if err != nil {
			t.Fatal(err)
		}
		layers := 0
		for _, n := range g.Nodes {
			switch {
			case n.Op == (graph.QuantizeLinear{}):
				t.Errorf("%s: an activation is quantized", n.Name())
			case n.Is(graph.Linear):
				layers++
				d := g.Producers()[n.Inputs[1]]
				if d == nil || d.Inputs[0].Const == nil || d.Inputs[0].Const.DType != graph.Int8 || n.Inputs[2].Const == nil {
					t.Errorf("%s: its weight is not int8, or its bias is not float", n.Name())
				}
			}
		}
		sqnr := against(t, deploy, g, images(5000, 4))
		if layers == 0 || r.Calibration != NotNeeded || r.Samples != 0 || r.HeldOut == 0 || sqnr < 30 || math.Abs(r.Loss.SQNR-sqnr) > 6 {
			t.Errorf("%s: %d layers, report %+v, SQNR on other images %.1f dB", name, layers, r, sqnr)
		}
		if want := map[string]Verdict{"images": Good, "made up": Noticeable}[name]; r.Verdict != want {
			t.Errorf("%s: %s, want %s", name, r.Verdict, want)
		}
	}
	shared := &graph.Graph{Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 3, 64, 64)}}}}
	w := graph.Weight("w", graph.Float32Tensor([]int{3, 3, 1, 1}, []float32{1, 2, 3, 4, 5, 6, 7, 8, -9}))
	conv := graph.Conv{Group: 1, Strides: [2]int{1, 1}}
	shared.Outputs = []*graph.Value{shared.Add("b", conv, shared.Add("a", conv, shared.Inputs[0], w), w)}
	g, _, err := Quantize(t.Context(), nil, shared, images(1000, 2), [2]int{64, 64}, Options{Scope: Weights, NoLogits: true})
	if err != nil {
		t.Fatal(err)
	}
	if len(g.Nodes) != 3 {
		t.Errorf("%d nodes of two convolutions with one weight, want 3", len(g.Nodes))
	}
}

func TestErrors(t *testing.T) {
	_, deploy := load(t, "v2_release.pth", model.Options{})
	training, _ := load(t, "v2_release.pth", model.Options{})
	bad := images(1, 1)
	bad[0].Float32s()[77] = float32(math.NaN())
	none := &graph.Graph{Inputs: []*graph.Value{{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 3, 64, 64)}}}}
	none.Outputs = []*graph.Value{none.Add("softly", graph.Sigmoid{}, none.Inputs[0])}
	done, cancel := context.WithCancel(context.Background())
	cancel()
	good := images(1, 2)
	for name, c := range map[string]struct {
		ctx  context.Context
		g    *graph.Graph
		data []*graph.Tensor
		opts Options
		want error
	}{
		"NaN":          {g: deploy, data: bad, want: ErrCalibration},
		"no samples":   {g: deploy, data: []*graph.Tensor{}, want: ErrCalibration},
		"one sample":   {g: deploy, data: good[:1], want: ErrCalibration},
		"nil sample":   {g: deploy, data: []*graph.Tensor{nil}, want: ErrCalibration},
		"channels":     {g: deploy, data: []*graph.Tensor{graph.Float32Tensor([]int{1, 1, 2, 2}, make([]float32, 4))}, want: ErrCalibration},
		"no size":      {g: deploy, want: ErrCalibration},
		"nothing":      {g: none, data: good, want: ErrNothing},
		"not fused":    {g: training, data: good, want: graph.ErrGraph},
		"cancelled":    {ctx: done, g: deploy, data: good, want: context.Canceled},
		"bad scope":    {g: deploy, data: good, opts: Options{Scope: "some"}, want: ErrOption},
		"bad method":   {g: deploy, data: good, opts: Options{Method: "guess"}, want: ErrOption},
		"weights":      {g: deploy, data: good, opts: Options{Scope: Weights, KeepFloat: 1}, want: ErrOption},
		"integers":     {g: deploy, data: good, opts: Options{Integers: true}, want: ErrOption},
		"bad keep":     {g: deploy, data: good, opts: Options{KeepFloat: -2}, want: ErrOption},
		"unknown":      {g: deploy, data: good, opts: Options{Keep: []string{"features.99"}}, want: ErrOption},
		"no name":      {g: deploy, data: good, opts: Options{Keep: []string{""}}, want: ErrOption},
		"no graph":     {data: good, want: graph.ErrGraph},
		"other size":   {g: fixed(deploy), data: good, want: graph.ErrShape},
		"twice in int": {g: quantizedOnce(t, deploy), data: good, want: ErrNothing},
	} {
		ctx := c.ctx
		if ctx == nil {
			ctx = context.Background()
		}
		if _, _, err := Quantize(ctx, nil, c.g, c.data, [2]int{}, c.opts); !errors.Is(err, c.want) {
			t.Errorf("%s: error %v, want %v", name, err, c.want)
		}
	}
}

// fixed returns g for inputs of 32×32 pixels.
func fixed(g *graph.Graph) *graph.Graph {
	g = g.Clone()
	g.Inputs[0].Type = &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 3, 32, 32)}
	return g
}

func quantizedOnce(t *testing.T, g *graph.Graph) *graph.Graph {
	q, _, err := Quantize(context.Background(), nil, g, images(1, 2), [2]int{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return q
}

func TestCancelMidway(t *testing.T) {
	_, deploy := load(t, "v2_release.pth", model.Options{})
	for _, stage := range []string{"equalize", "calibrate", "round", "sensitivity", "measure"} {
		ctx, cancel := context.WithCancel(context.Background())
		_, _, err := Quantize(ctx, nil, deploy, images(1, 4), [2]int{}, Options{Sensitivity: true, Progress: func(s string, _, _ int) {
			if s == stage {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled in stage %q: error %v", stage, err)
		}
		cancel()
	}
}

func TestEstimators(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 1))
	normal, uniform := &histogram{}, &histogram{}
	for range 200 {
		a, b := make([]float32, 1000), make([]float32, 1000)
		for i := range a {
			a[i], b[i] = float32(r.NormFloat64()), 3*r.Float32()
		}
		normal.add(a)
		uniform.add(b)
	}
	normal.add([]float32{40}) // one outlier
	for _, c := range []struct {
		h            *histogram
		m            Method
		low, high    float64
		lowTo, hiTo  float64
		distribution string
	}{
		{normal, MinMax, -6, 40, -4, 40, "normal with an outlier"},
		{normal, Percentile, -4, 3.4, -3.4, 4, "normal with an outlier"},
		{normal, MSE, -5, 28, -3.2, 34, "normal with an outlier"}, // (40−h)²/n and (h+4)²/255²/12 balance at 31,
		{normal, Entropy, -6, 2.5, -2.5, 12, "normal with an outlier"},
		{uniform, MinMax, 0, 2.99, 0, 3, "uniform"},
		{uniform, Percentile, 0, 2.99, 0, 3, "uniform"},
		{uniform, MSE, 0, 2.9, 0, 3, "uniform"},
		{uniform, Entropy, 0, 2.9, 0, 3, "uniform"},
	} {
		lo, hi := c.h.rangeOf(c.m, 2, false)
		if lo < c.low || lo > c.lowTo || hi < c.high || hi > c.hiTo {
			t.Errorf("%s of %s: [%.3f, %.3f], want [%v…%v, %v…%v]", c.m, c.distribution, lo, hi, c.low, c.lowTo, c.high, c.hiTo)
		}
	}
	if lo, hi := new(histogram).rangeOf(MSE, 2, false); lo != 0 || hi != 0 {
		t.Errorf("nothing seen: [%v, %v]", lo, hi)
	}
}

func TestHistogramWidens(t *testing.T) {
	h := &histogram{}
	h.add([]float32{0.5, -0.25})
	h.add([]float32{1000, -3})
	sum := int64(0)
	for _, c := range h.count {
		sum += c
	}
	if sum != 4 || h.n != 4 || h.lo != -3 || h.hi != 1000 || h.bound != 1024 {
		t.Errorf("%d of %d values in bins up to %v, extremes %v, %v", sum, h.n, h.bound, h.lo, h.hi)
	}
}

func TestSymmetricQuantizer(t *testing.T) {
	for _, c := range []struct{ lo, hi float64 }{{0, 1}, {-1, 0}, {-0.17, 5}, {-3, 3}, {0, 0}, {1, 2}, {-1e-9, 1e9}} {
		q := newQuantizer(c.lo, c.hi, true)
		lo, hi := q.limits()
		if lo > c.lo || hi < c.hi*(1-1e-6) || q.zero != symmetricZero || q.quantize(0) != symmetricZero {
			t.Errorf("[%v, %v] is covered by [%v, %v], zero is %d", c.lo, c.hi, lo, hi, q.quantize(0))
		}
	}
	h := &histogram{}
	values := make([]float32, 100000)
	r := rand.New(rand.NewPCG(1, 2))
	for i := range values {
		values[i] = float32(r.NormFloat64())
	}
	values[7] = -40
	h.add(values)
	if lo, hi := h.rangeOf(MSE, 2, true); lo < -34 || lo > -20 || hi < 3 {
		t.Errorf("normal with an outlier: [%v, %v], want the outlier clipped", lo, hi)
	}
}

func TestQuantizer(t *testing.T) {
	for _, c := range []struct{ lo, hi float64 }{{0, 1}, {-1, 0}, {-0.17, 5}, {-3, 3}, {0, 0}, {1, 2}, {-1e-9, 1e9}} {
		q := newQuantizer(c.lo, c.hi, false)
		lo, hi := q.limits()
		tolerance := 0.5 * float64(q.scale)
		if lo > c.lo+tolerance || hi < c.hi-tolerance-1e-6*c.hi || q.quantize(0) != q.zero {
			t.Errorf("[%v, %v] is covered by [%v, %v], zero is %d and %d", c.lo, c.hi, lo, hi, q.zero, q.quantize(0))
		}
	}
}

// TestBiasFits quantizes a layer whose bias is huge beside its weights.
func TestBiasFits(t *testing.T) {
	g := &graph.Graph{Inputs: []*graph.Value{{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 1, 2, 2)}}}}
	g.Outputs = []*graph.Value{g.Add("conv", graph.Conv{Strides: [2]int{1, 1}, Group: 1}, g.Inputs[0],
		graph.Weight("w", graph.Float32Tensor([]int{2, 1, 1, 1}, []float32{1e-12, 0})),
		graph.Weight("b", graph.Float32Tensor([]int{2}, []float32{1000, -1e6})))}
	x := graph.Float32Tensor([]int{1, 1, 2, 2}, []float32{1e-3, 2e-3, 0, -1e-3})
	q, _, err := Quantize(context.Background(), nil, g, []*graph.Tensor{x, x}, [2]int{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if got := against(t, g, q, []*graph.Tensor{x}); got < 40 {
		t.Errorf("SQNR %.1f dB, want 40", got)
	}
}

func TestHalf(t *testing.T) {
	for _, name := range []string{"v2_release.pth", "v1_release.pth"} {
		for _, features := range []bool{false, true} {
			training, deploy := load(t, name, model.Options{Features: features})
			for i, g := range []*graph.Graph{training, deploy} {
				before := flat(g)
				h := Half(g)
				if err := h.Validate(); err != nil {
					t.Fatal(err)
				}
				if !bytes.Equal(before, flat(g)) {
					t.Error("the graph given was changed")
				}
				for j, v := range h.Outputs {
					if v.Name != g.Outputs[j].Name {
						t.Errorf("output %q, want %q", v.Name, g.Outputs[j].Name)
					}
				}
				for _, w := range h.Weights() {
					if w.Const.DType != graph.Float16 {
						t.Fatalf("weight %q is %v", w.Name, w.Const.DType)
					}
				}
				x := images(9, 1)[0]
				a, b := run(t, g, x), run(t, h, x)
				for j := range a {
					for k, y := range a[j].Float32s() {
						if d := math.Abs(float64(b[j].Float32s()[k] - y)); !(d <= 2e-2*(1+math.Abs(float64(y)))) {
							t.Fatalf("%s, form %d, output %d: element %d is %v, want %v", name, i, j, k, b[j].Float32s()[k], y)
						}
					}
				}
			}
		}
	}
}

func run(t *testing.T, g *graph.Graph, x *graph.Tensor) []*graph.Tensor {
	t.Helper()
	s, err := infer.New(g, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	y, err := s.RunAll(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	return y
}
