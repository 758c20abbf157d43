package infer_test

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"

	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/segment"
)

func TestInfo(t *testing.T) {
	g := classifier()
	g.Metadata["repvit.variant"] = "Mean"
	g.Metadata["repvit.source"] = "mean.pth"
	s, err := infer.New(g, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got, err := s.Info()
	if err != nil {
		t.Fatal(err)
	}
	want := infer.Info{Variant: "Mean", Source: "mean.pth", Classes: 3, Labels: []string{"red", "green", "blue"},
		Inputs:  []infer.Port{{Name: "input", Type: *g.Inputs[0].Type}},
		Outputs: []infer.Port{{Name: "logits", Type: graph.Type{DType: graph.Float32, Shape: graph.Shape{graph.Symbol("batch"), graph.Fixed(3)}}}}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("found %+v, want %+v", got, want)
	}
	got.Inputs[0].Type.Shape[1] = graph.Fixed(7)
	if again, _ := s.Info(); !slices.Equal(again.Inputs[0].Type.Shape, want.Inputs[0].Type.Shape) {
		t.Error("changing the answer changes the session")
	}
	g.Metadata["repvit.labels"] = "x"
	if _, err := s.Info(); !errors.Is(err, graph.ErrGraph) {
		t.Errorf("malformed labels: %v", err)
	}
}

// TestTopLengths: logits of another number than the network has are refused, with labels and without.
func TestTopLengths(t *testing.T) {
	g := classifier()
	for _, labels := range []bool{true, false} {
		if !labels {
			delete(g.Metadata, "repvit.labels")
		}
		s, err := infer.New(g, infer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		for n, ok := range map[int]bool{0: false, 2: false, 3: true, 6: false} {
			if top, err := s.Top(make([]float32, n), 2); (err == nil) != ok || ok && len(top) != 2 || !ok && !errors.Is(err, graph.ErrShape) {
				t.Errorf("%d logits: %v, %v", n, top, err)
			}
		}
		s.Close()
	}
}

// TestNil: what is nil is an error, and no panic.
func TestNil(t *testing.T) {
	s, err := infer.New(classifier(), infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	ctx := context.Background()
	for name, c := range map[string]struct {
		do   func() error
		want error
	}{
		"New":           {func() error { _, err := infer.New(nil, infer.Options{}); return err }, graph.ErrGraph},
		"Classify":      {func() error { _, err := s.Classify(ctx, nil, 1); return err }, preprocess.ErrImage},
		"Run":           {func() error { _, err := s.Run(ctx, nil); return err }, graph.ErrShape},
		"RunInputs":     {func() error { _, err := s.RunInputs(ctx, nil); return err }, graph.ErrShape},
		"RunInto":       {func() error { return s.RunInto(ctx, nil, nil, nil) }, graph.ErrShape},
		"detect.New":    {func() error { _, err := detect.New(nil); return err }, graph.ErrUnsupported},
		"segment.New":   {func() error { _, err := segment.New(nil); return err }, graph.ErrUnsupported},
		"Config.Tensor": {func() error { _, err := preprocess.ImageNet(8, 8, 1).Tensor(nil); return err }, preprocess.ErrImage},
		"Fit.Tensor":    {func() error { _, _, err := preprocess.Detection(8, 8).Tensor(nil); return err }, preprocess.ErrImage},
		"Fit.Pixels":    {func() error { _, _, err := preprocess.Letterbox(8).Pixels(nil); return err }, preprocess.ErrImage},
		"Close of nil":  {func() error { return (*infer.Session)(nil).Close() }, nil},
	} {
		if err := c.do(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
