package evaluate

import (
	"context"
	"errors"
	"image"
	"image/color"
	"slices"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/verify"
)

// brightest is a network whose logits are red, green and blue of each pixel.
func brightest(shape graph.Shape) *graph.Graph {
	g := &graph.Graph{Inputs: []*graph.Value{{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: shape}}}}
	w := graph.Weight("w", graph.Float32Tensor([]int{3, 3, 1, 1}, []float32{1, 0, 0, 0, 1, 0, 0, 0, 1}))
	g.Outputs = []*graph.Value{g.Add("logits", graph.Conv{Strides: [2]int{1, 1}, Group: 1}, g.Inputs[0], w)}
	return g
}

// TestSegmenter tells the colours of an image's pixels, with inputs of any size and of one.
func TestSegmenter(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 12, 4))
	want := make([]int64, 48)
	for i := range want {
		want[i] = int64(i % 12 / 4)
		img.Set(i%12, i/12, []color.Color{color.RGBA{255, 0, 0, 255}, color.RGBA{0, 255, 0, 255}, color.RGBA{0, 0, 255, 255}}[want[i]])
	}
	for name, shape := range map[string]graph.Shape{
		"any":  {graph.Symbol("batch"), graph.Fixed(3), graph.Symbol("height"), graph.Symbol("width")},
		"wide": graph.FixedShape(1, 3, 8, 64),
		"high": graph.FixedShape(1, 3, 64, 24),
	} {
		g := brightest(shape)
		for engine, e := range map[string]verify.Engine{"reference": truth(t, g), "fast": fast(t, g)} {
			if got, err := Segmenter(e, preprocess.Segmentation(24, 8))(t.Context(), img); err != nil || !slices.Equal(got, want) {
				t.Errorf("%s, %s: found %v, %v, expected %v", name, engine, got, err, want)
			}
		}
	}
	if _, err := Segmenter(colors(t, graph.Symbol("batch"), 1), preprocess.Detection(24, 8))(t.Context(), img); !errors.Is(err, graph.ErrShape) {
		t.Errorf("a classifier: %v", err)
	}
	if _, err := Segmenter(truth(t, brightest(graph.FixedShape(1, 3, 8, 8))), preprocess.Fit{})(t.Context(), img); !errors.Is(err, preprocess.ErrConfig) {
		t.Errorf("no preprocessing: %v", err)
	}
}

// answers is an engine that has its outputs ready.
type answers struct {
	verify.Engine
	outputs []*graph.Tensor
	seen    []int // the input's shape
}

func (a *answers) RunInputs(_ context.Context, x []*graph.Tensor) ([]*graph.Tensor, error) {
	a.seen = x[0].Shape
	return a.outputs, nil
}

func TestDetector(t *testing.T) {
	img := image.NewGray(image.Rect(0, 0, 20, 10))
	g := brightest(graph.FixedShape(1, 3, 32, 40))
	g.Outputs = []*graph.Value{{Name: "masks"}, {Name: "dets"}, {Name: "labels"}}
	engine := &answers{Engine: stub{g}, outputs: []*graph.Tensor{
		graph.Float32Tensor([]int{1, 1, 1, 1}, []float32{1}),
		graph.Float64Tensor([]int{1, 1, 5}, []float64{4, 2, 12, 8, .75}),
		graph.Int64Tensor([]int{1, 1}, []int64{3}),
	}}
	got, err := Detector(engine, preprocess.Detection(64, 32))(t.Context(), img)
	if err != nil || len(got) != 1 || got[0].Box != [4]float64{2, 1, 6, 4} || got[0].Score != .75 || got[0].Class != 3 || got[0].Mask.Area() != 8 { // without the corners
		t.Errorf("found %+v, %v", got, err)
	}
	if !slices.Equal(engine.seen, []int{1, 3, 32, 40}) {
		t.Errorf("the input has the shape %v", engine.seen)
	}
	g.Outputs[0].Name = "other"
	if got, err := Detector(engine, preprocess.Detection(64, 32))(t.Context(), img); err != nil || got[0].Mask.Area() != 0 {
		t.Errorf("without masks: found %+v, %v", got, err)
	}
	name := g.Outputs[1].Name
	g.Outputs[1].Name = "boxes"
	if _, err := Detector(engine, preprocess.Detection(64, 32))(t.Context(), img); !errors.Is(err, graph.ErrShape) {
		t.Errorf("no dets: %v", err)
	}
	g.Outputs[1].Name = name
	g.Inputs = append(g.Inputs, g.Inputs[0])
	if _, err := Detector(engine, preprocess.Detection(64, 32))(t.Context(), img); !errors.Is(err, graph.ErrUnsupported) {
		t.Errorf("two inputs: %v", err)
	}
}

// stub is an engine that only has a graph.
type stub struct{ g *graph.Graph }

func (s stub) Graph() *graph.Graph { return s.g }
func (s stub) Run(context.Context, *graph.Tensor) (*graph.Tensor, error) {
	return nil, errors.New("not run")
}
func (s stub) Observe(context.Context, *graph.Tensor, func(*graph.Value, *graph.Tensor) error) error {
	return errors.New("not run")
}
