package report_test

import (
	"image"
	"image/color"
	"math"
	"testing"
	"time"

	"github.com/repvit-go/repvit/evaluate"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/report"
	"github.com/repvit-go/repvit/verify"
)

// network is a stem, two blocks of different resolution and a head, named as package model
// names them.
func network() *graph.Graph {
	g := &graph.Graph{}
	in := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{
		graph.Symbol("batch"), graph.Fixed(3), graph.Symbol("height"), graph.Symbol("width")}}}
	g.Inputs = []*graph.Value{in}
	weight := func(name string, shape ...int) *graph.Value {
		n, err := graph.Numel(shape)
		if err != nil {
			panic(err)
		}
		return graph.Weight(name, graph.Float32Tensor(shape, make([]float32, n)))
	}
	pad := [4]int{1, 1, 1, 1}
	x := g.Add("features.0.conv1", graph.Conv{Strides: [2]int{2, 2}, Pads: pad, Group: 1}, in, weight("w0", 8, 3, 3, 3), weight("b0", 8))
	x = g.Add("features.0", graph.Gelu{}, x)
	y := g.Add("features.1.token_mixer.dw", graph.Conv{Strides: [2]int{1, 1}, Pads: pad, Group: 8}, x, weight("w1", 8, 1, 3, 3))
	s := g.Add("features.1.token_mixer.se.squeeze", graph.GlobalAveragePool{}, y)
	s = g.Add("features.1.token_mixer.se.fc1", graph.Conv{Strides: [2]int{1, 1}, Group: 1}, s, weight("w2", 8, 8, 1, 1))
	y = g.Add("features.1.token_mixer.se", graph.Mul{}, y, s)
	x = g.Add("features.1", graph.Add{}, x, y)
	scale, zero := graph.Weight("scale", graph.Float32Tensor(nil, []float32{1})), graph.Weight("zero", graph.Int8Tensor(nil, []int8{0}))
	q := graph.Weight("w3", graph.Int8Tensor([]int{16, 8, 1, 1}, make([]int8, 128)))
	d := g.Add("w3.float", graph.DequantizeLinear{}, q, scale, zero)
	x = g.Add("features.2.token_mixer.pw", graph.Conv{Strides: [2]int{2, 2}, Group: 1}, x, d)
	n := g.Add("features.2.bn", graph.BatchNorm{Epsilon: 1e-5}, x, weight("g", 16), weight("h", 16), weight("m", 16), weight("v", 16))
	x = g.Add("stage2", graph.Add{}, n, n)
	x = g.Add("pool", graph.GlobalAveragePool{}, x)
	x = g.Add("flatten", graph.Flatten{}, x)
	g.Outputs = []*graph.Value{g.Add("logits", graph.Gemm{}, x, weight("w4", 10, 16), weight("b4", 10))}
	return g
}

// sample fills every field.
func sample(t testing.TB) *report.Data {
	t.Helper()
	net, err := report.NewNetwork(network(), []int{1, 3, 32, 32}, []infer.OpTime{
		{Name: "features.0", Kind: "Conv+Gelu", Time: 3 * time.Millisecond},
		{Name: "features.1.token_mixer.dw", Kind: "Conv", Time: time.Millisecond},
		{Name: "features.1", Kind: "Add", Time: time.Millisecond},
		{Name: "logits", Kind: "Gemm", Time: 20 * time.Microsecond},
		{Name: "nobody knows", Kind: "Output", Time: time.Hour},
	})
	if err != nil {
		t.Fatal(err)
	}
	img := image.NewNRGBA(image.Rect(0, 0, 300, 100))
	for x := range 300 {
		img.Set(x, x/3, color.NRGBA{uint8(x), 200, 30, 255})
	}
	thumbnail, err := report.Thumbnail(img)
	if err != nil {
		t.Fatal(err)
	}
	return &report.Data{
		Title:    "int8 against float",
		Command:  "repvit-verify m.int8.onnx --against m.onnx --images val --report out.html",
		Verdict:  report.Verdict{Outcome: report.Failed, Text: "The logits differ."},
		Summary:  []report.Row{{Name: "Variant", Value: "RepViT-M0.9"}, {Name: "Size", Value: "20.4 MB"}},
		Pictures: []report.Picture{{File: "street.png", Got: thumbnail, Want: thumbnail}, {File: "sea.png", Got: thumbnail}},
		Segmentation: &evaluate.SegmentationResult{Images: 4, MIoU: 0.625, PixelAccuracy: 0.91,
			Classes: []evaluate.ClassIoU{{Name: "wall", IoU: 0.75, Accuracy: 0.8}, {IoU: math.NaN(), Accuracy: math.NaN()}}},
		Detection: &evaluate.DetectionResult{Images: 5, Boxes: evaluate.APFigures{AP: 0.31, AP50: 0.52, APLarge: math.NaN()}, Masks: evaluate.APFigures{AP: 0.27},
			Categories: []evaluate.CategoryAP{{Name: "person", Boxes: 0.41, Masks: 0.33, Annotations: 17}}},
		Network: net,
		Errors: []report.Errors{{Title: "int8 against float", Divergence: &verify.Divergence{Value: "features.1"}, Layers: []verify.Layer{
			{Value: "input", SQNR: math.Inf(1)},
			{Value: "features.0", MaxAbs: 2e-5, RelL2: 1e-5, SQNR: 100},
			{Value: "features.1", MaxAbs: 0.5, RelL2: 0.25, SQNR: 12},
			{Value: "features.2", MaxAbs: math.Inf(1), RelL2: math.NaN(), SQNR: math.NaN()},
		}}},
		Ranges: []report.Ranges{{Title: "Activations", Tensors: []quant.Range{
			{Name: "features.0", Min: -1, Max: 3, Low: -1, High: 2},
			{Name: "features.1", Min: -40, Max: 300},
		}}},
		Logits: &report.Logits{Name: "int8", Reference: "float", Got: []float32{1, 2, 3, float32(math.NaN())}, Want: []float32{1.5, 2, 2.5, 0}},
		Images: &report.Images{Labels: []string{"cat", "dog", "fox"}, Against: "m.onnx",
			Result: &evaluate.Result{Images: 10, Labelled: true, Top1: 0.8, Top5: 1, Compared: true, Agree: 0.9, SQNR: 28.5, ImagesPerSecond: 60,
				Misses: []evaluate.Miss{{File: "a.png", Label: 0, Top1: 1, Against: 0}, {File: "b.png", Label: 0, Top1: 1, Against: 2}, {File: "c.png", Label: 1, Top1: 2, Against: 1}}},
			Disagreements: []report.Disagreement{{Miss: evaluate.Miss{File: "a.png", Label: 0, Top1: 1, Against: 0}, Score: 0.6, AgainstScore: 0.5, Thumbnail: thumbnail}}},
		Runs: []report.Run{
			{Name: "m.onnx", Bytes: 20359098, Latency: 9900 * time.Microsecond, Result: &evaluate.Result{Labelled: true, Top1: 0.9, Top5: 1}},
			{Name: "m.int8.onnx", Bytes: 5600000, Latency: 6 * time.Millisecond, Result: &evaluate.Result{Labelled: true, Top1: 0.8, Top5: 1, Compared: true, Agree: 0.9, SQNR: 28.5}},
		},
	}
}
