package infer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"image/draw"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/native"
	"github.com/repvit-go/repvit/onnx"
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
	p := preprocess.ImageNet(224, 224, 0.875)
	want := infer.Info{Variant: "Mean", Source: "mean.pth", Classes: 3, Labels: []string{"red", "green", "blue"},
		Inputs:     []infer.Port{{Name: "input", Type: *g.Inputs[0].Type, Layout: "NCHW"}},
		Outputs:    []infer.Port{{Name: "logits", Type: graph.Type{DType: graph.Float32, Shape: graph.Shape{graph.Symbol("batch"), graph.Fixed(3)}}}},
		Preprocess: &p, Stats: s.Stats()}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("found %+v, want %+v", got, want)
	}
	got.Inputs[0].Type.Shape[1] = graph.Fixed(7)
	if again, _ := s.Info(); !slices.Equal(again.Inputs[0].Type.Shape, want.Inputs[0].Type.Shape) {
		t.Error("changing the answer changes the session")
	}
	g.Metadata["repvit.preprocess"] = `{"height": 0}`
	if _, err := s.Info(); !errors.Is(err, preprocess.ErrConfig) {
		t.Errorf("malformed preprocessing: %v", err)
	}
	f, err := json.Marshal(preprocess.Detection(64, 32))
	if err != nil {
		t.Fatal(err)
	}
	g.Metadata["repvit.preprocess"] = string(f)
	if got, err := s.Info(); err != nil || got.Preprocess != nil || got.Fit == nil || got.Fit.Long != 64 {
		t.Errorf("found %v and %v, want how whole images are prepared: %v", got.Preprocess, got.Fit, err)
	}
	g.Metadata["repvit.labels"] = "x"
	if _, err := s.Info(); !errors.Is(err, graph.ErrGraph) {
		t.Errorf("malformed labels: %v", err)
	}
}

// TestLayout: networks that permute their input first take channels last.
func TestLayout(t *testing.T) {
	for _, c := range []struct {
		shape graph.Shape
		perm  []int
		want  string
	}{
		{graph.FixedShape(1, 4, 5, 3), []int{0, 3, 1, 2}, "NHWC"},
		{graph.FixedShape(4, 5, 3), []int{2, 0, 1}, "HWC"},
		{graph.FixedShape(4, 5), []int{1, 0}, ""},
	} {
		g := &graph.Graph{Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: c.shape}}}}
		g.Outputs = []*graph.Value{g.Add("y", graph.Transpose{Perm: c.perm}, g.Inputs[0])}
		s, err := infer.New(g, infer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		i, err := s.Info()
		if err != nil || i.Inputs[0].Layout != c.want || i.Outputs[0].Layout != "" {
			t.Errorf("%v: %+v, %v, want %q", c.shape, i, err, c.want)
		}
		s.Close()
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
		"Labels":          {func() error { _, err := infer.Labels(nil); return err }, graph.ErrGraph},
		"Palette":         {func() error { _, err := infer.Palette(nil); return err }, graph.ErrGraph},
		"NewBatcher":      {func() error { _, err := infer.NewBatcher(nil, 1, 0); return err }, infer.ErrClosed},
		"Decode":          {func() error { _, err := infer.Decode(nil, infer.Options{}); return err }, onnx.ErrFormat},
		"ClassifyBatch":   {func() error { _, err := s.ClassifyBatch(ctx, make([]image.Image, 1), 1); return err }, preprocess.ErrImage},
		"segment.Classes": {func() error { _, err := segment.Classes(nil); return err }, graph.ErrUnsupported},
		"detect.Read":     {func() error { _, err := detect.Read(nil, nil, nil, preprocess.Placement{}); return err }, graph.ErrShape},
		"detect.Outputs":  {func() error { _, err := detect.Outputs(nil, nil, preprocess.Placement{}); return err }, graph.ErrShape},
		"New":             {func() error { _, err := infer.New(nil, infer.Options{}); return err }, graph.ErrGraph},
		"Classify":        {func() error { _, err := s.Classify(ctx, nil, 1); return err }, preprocess.ErrImage},
		"Run":             {func() error { _, err := s.Run(ctx, nil); return err }, graph.ErrShape},
		"RunInputs":       {func() error { _, err := s.RunInputs(ctx, nil); return err }, graph.ErrShape},
		"RunInto":         {func() error { return s.RunInto(ctx, nil, nil, nil) }, graph.ErrShape},
		"detect.New":      {func() error { _, err := detect.New(nil); return err }, graph.ErrUnsupported},
		"segment.New":     {func() error { _, err := segment.New(nil); return err }, graph.ErrUnsupported},
		"Config.Tensor":   {func() error { _, err := preprocess.ImageNet(8, 8, 1).Tensor(nil); return err }, preprocess.ErrImage},
		"Fit.Tensor":      {func() error { _, _, err := preprocess.Detection(8, 8).Tensor(nil); return err }, preprocess.ErrImage},
		"Fit.Pixels":      {func() error { _, _, err := preprocess.Letterbox(8).Pixels(nil); return err }, preprocess.ErrImage},
		"Close of nil":    {func() error { return (*infer.Session)(nil).Close() }, nil},
	} {
		if err := c.do(); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}

// TestNilReceivers: every method of what nothing opened answers an error or nothing, and does not panic.
func TestNilReceivers(t *testing.T) {
	for _, of := range []any{(*infer.Session)(nil), &infer.Session{}, (*infer.Batcher)(nil), (*detect.Detector)(nil), (*segment.Segmenter)(nil)} {
		v := reflect.ValueOf(of)
		for i := range v.NumMethod() {
			name, m := v.Type().String()+"."+v.Type().Method(i).Name, v.Method(i)
			args := make([]reflect.Value, m.Type().NumIn())
			for k := range args {
				args[k] = reflect.Zero(m.Type().In(k))
				if m.Type().In(k) == reflect.TypeFor[context.Context]() {
					args[k] = reflect.ValueOf(context.Background())
				}
			}
			call := m.Call
			if m.Type().IsVariadic() {
				call = m.CallSlice
			}
			out := call(args)
			last := out[len(out)-1]
			if last.Type() == reflect.TypeFor[error]() && !strings.HasSuffix(name, ".Close") {
				if err, _ := last.Interface().(error); !errors.Is(err, infer.ErrClosed) {
					t.Errorf("%s: %v, want %v", name, err, infer.ErrClosed)
				}
			} else if !last.IsZero() {
				t.Errorf("%s: %v, want nothing", name, last)
			}
		}
	}
}

func TestISAs(t *testing.T) {
	known := []string{infer.ISAAVX512, infer.ISAAVX2, infer.ISANEON, infer.ISAGeneric, infer.ISAAVX512VNNI, infer.ISAAVXVNNI, infer.ISANEONI8MM, infer.ISANEONDot}
	for _, isa := range infer.ISAs() {
		if !slices.Contains(known, isa) {
			t.Errorf("%q has no constant", isa)
		}
		s, err := infer.New(classifier(), infer.Options{ISA: isa})
		if err != nil {
			t.Error(err)
			continue
		}
		s.Close()
	}
	if !slices.Contains(infer.ISAs(), infer.ISAGeneric) {
		t.Error("no plain Go")
	}
}

// TestClassifyBatch: the answers are those of the images one by one, also in networks of a fixed batch,
// and an error says which image it is about.
func TestClassifyBatch(t *testing.T) {
	ctx := context.Background()
	var images []image.Image
	for i := range 21 { // more than are computed at a time, and no multiple
		img := image.NewRGBA(image.Rect(0, 0, 8, 8))
		draw.Draw(img, img.Bounds(), image.NewUniform(color.RGBA{uint8(11 * i), uint8(250 - 7*i), uint8(40 * i), 255}), image.Point{}, draw.Src)
		images = append(images, img)
	}
	plain, err := infer.New(classifier(), infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	for _, fixed := range []int{0, 1, 4} {
		g := classifier()
		if fixed > 0 {
			g.Inputs[0].Type.Shape[0] = graph.Fixed(fixed)
		}
		s, err := infer.New(g, infer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		got, err := s.ClassifyBatch(ctx, images, 2)
		if err != nil || len(got) != len(images) {
			t.Fatalf("batch %d: %d answers, %v", fixed, len(got), err)
		}
		for i, img := range images {
			want, err := plain.Classify(ctx, img, 2)
			if err != nil || !slices.Equal(got[i], want) {
				t.Errorf("batch %d, image %d: %v, alone %v, %v", fixed, i, got[i], want, err)
			}
			if one, err := s.Classify(ctx, img, 2); err != nil || !slices.Equal(one, want) {
				t.Errorf("batch %d, image %d by Classify: %v, want %v, %v", fixed, i, one, want, err)
			}
		}
		bad := slices.Clone(images)
		bad[18] = image.NewRGBA(image.Rectangle{})
		if _, err := s.ClassifyBatch(ctx, bad, 1); !errors.Is(err, preprocess.ErrImage) || !strings.HasPrefix(err.Error(), "image 18: ") {
			t.Errorf("batch %d: %v", fixed, err)
		}
		if none, err := s.ClassifyBatch(ctx, nil, 1); err != nil || len(none) != 0 {
			t.Errorf("no images: %v, %v", none, err)
		}
	}
}

// TestDecode: a model in memory is that of the file.
func TestDecode(t *testing.T) {
	var data bytes.Buffer
	if err := native.Encode(&data, classifier()); err != nil {
		t.Fatal(err)
	}
	s, err := infer.Decode(data.Bytes(), infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	y, err := s.Run(context.Background(), greenish())
	if err != nil || !slices.Equal(y.Float32s(), []float32{1, 3, 0}) {
		t.Errorf("found %v, %v", y, err)
	}
	for name, c := range map[string]struct {
		data []byte
		want error
	}{
		"a checkpoint":     {[]byte("PK\x03\x04"), infer.ErrUnsupported},
		"a part of ncnn's": {[]byte("7767517\n1 1\nInput in 0 1 in\n"), infer.ErrUnsupported},
		"text":             {[]byte("hello"), onnx.ErrFormat},
	} {
		if _, err := infer.Decode(c.data, infer.Options{}); !errors.Is(err, c.want) {
			t.Errorf("%s: %v, want %v", name, err, c.want)
		}
	}
}
