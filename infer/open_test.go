package infer_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/color"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/native"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
)

// fused returns the fused network of a checkpoint in testdata.
func fused(t testing.TB) *graph.Graph {
	t.Helper()
	f, err := pytorch.Open("../testdata/v2_release.pth")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	sd, err := f.StateDict(pytorch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := family.Build(sd, model.Options{Preprocess: preprocess.ImageNet(64, 64, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return reparam.Fuse(m.Graph)
}

// save writes a model file.
func save(t testing.TB, name string, encode func(io.Writer) error) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), name)
	var b bytes.Buffer
	if err := encode(&b); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// gradient returns a picture.
func gradient(w, h int) image.Image {
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{uint8(255 * x / w), uint8(255 * y / h), uint8((x ^ y) & 255), 255})
		}
	}
	return m
}

func TestOpen(t *testing.T) {
	g := fused(t)
	x, err := preprocess.ImageNet(64, 64, 1).Tensor(gradient(80, 70))
	if err != nil {
		t.Fatal(err)
	}
	made, err := infer.New(g, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer made.Close()
	want, err := made.Run(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	for name, encode := range map[string]func(io.Writer) error{
		"model.safetensors": func(w io.Writer) error { return native.Encode(w, g) },
		"model.onnx":        func(w io.Writer) error { return onnx.Encode(w, g, onnx.Options{Opset: 20}) },
	} {
		path := save(t, name, encode)
		s, err := infer.Open(path, infer.Options{})
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if err := os.Remove(path); err != nil {
			t.Error(err)
		}
		got, err := s.Run(context.Background(), x)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Float32s(), want.Float32s()) {
			t.Errorf("%s: logits differ from those of the graph that was saved", name)
		}
		// The weights stay readable behind the graph, after Close and without the session.
		own := s.Graph()
		values := 0
		if err := s.Observe(context.Background(), x, func(*graph.Value, *graph.Tensor) error { values++; runtime.GC(); return nil }); err != nil || values < 10 {
			t.Errorf("%s: observed %d values, %v", name, values, err)
		}
		s.Close()
		runtime.GC()
		sum := float32(0)
		for _, w := range own.Weights() {
			for _, v := range w.Const.Float32s() {
				sum += v
			}
		}
		if sum == 0 || sum != sum {
			t.Errorf("%s: weights add up to %v", name, sum)
		}
		runtime.KeepAlive(own)
	}
}

func TestOpenErrors(t *testing.T) {
	write := func(data string) string {
		return save(t, "file", func(w io.Writer) error { _, err := io.WriteString(w, data); return err })
	}
	var whole bytes.Buffer
	if err := native.Encode(&whole, fused(t)); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		path string
		want error
		text string
	}{
		{"../testdata/v2_release.pth", infer.ErrUnsupported, "repvit-convert"},
		{"../testdata/v2_plain_legacy.pth", infer.ErrUnsupported, "repvit-convert"},
		{"../testdata/timm_v1.safetensors", infer.ErrUnsupported, "repvit-convert"},
		{write(whole.String()[:whole.Len()-1]), native.ErrFormat, "file: "},
		{write(strings.Replace(whole.String(), `"version":"1"`, `"version":"9"`, 1)), native.ErrVersion, `found "9"`},
		{write("neither"), onnx.ErrFormat, "file: "},
		{filepath.Join(t.TempDir(), "none"), fs.ErrNotExist, "none"},
	} {
		s, err := infer.Open(c.path, infer.Options{})
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || !strings.Contains(err.Error(), filepath.Base(c.path)) {
			t.Errorf("%s: found %v, error %v, expected %v with %q", c.path, s, err, c.want, c.text)
		}
	}
	path := save(t, "file", func(w io.Writer) error { _, err := w.Write(whole.Bytes()); return err })
	if _, err := infer.Open(path, infer.Options{Threads: -1}); !errors.Is(err, infer.ErrUnsupported) || !strings.Contains(err.Error(), path) {
		t.Errorf("−1 threads: %v", err)
	}
	if _, err := infer.Open(save(t, "empty", func(io.Writer) error { return nil }), infer.Options{}); err == nil {
		t.Error("an empty file opens")
	}
}

func TestClassify(t *testing.T) {
	g := fused(t)
	s, err := infer.New(g, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	img := gradient(80, 70)
	got, err := s.Classify(context.Background(), img, 3)
	if err != nil {
		t.Fatal(err)
	}
	x, err := preprocess.ImageNet(64, 64, 1).Tensor(img)
	if err != nil {
		t.Fatal(err)
	}
	logits, err := s.Run(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	want, err := s.Top(logits.Float32s(), 3)
	if err != nil || !slices.Equal(got, want) {
		t.Errorf("found %v, expected %v: %v", got, want, err)
	}
	stopped, stop := context.WithCancel(context.Background())
	stop()
	if _, err := s.Classify(stopped, img, 1); !errors.Is(err, context.Canceled) {
		t.Errorf("stopped context: %v", err)
	}
	if _, err := s.Classify(context.Background(), image.NewGray(image.Rectangle{}), 1); !errors.Is(err, preprocess.ErrImage) {
		t.Errorf("empty image: %v", err)
	}
}

func TestPreprocess(t *testing.T) {
	symbolic := graph.Shape{graph.Symbol("batch"), graph.Fixed(3), graph.Symbol("height"), graph.Symbol("width")}
	for name, c := range map[string]struct {
		metadata string
		shape    graph.Shape
		want     preprocess.Config
		err      error
	}{
		"default":  {"", symbolic, preprocess.ImageNet(224, 224, 0.875), nil},
		"metadata": {`{"height":96,"width":64,"crop_pct":0.95,"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225],"interpolation":"bicubic"}`, symbolic, preprocess.ImageNet(96, 64, 0.95), nil},
		"fixed":    {"", graph.FixedShape(1, 3, 32, 48), preprocess.ImageNet(32, 48, 0.875), nil},
		"useless":  {`{"height":96}`, symbolic, preprocess.Config{}, preprocess.ErrConfig},
		"broken":   {`{`, symbolic, preprocess.Config{}, preprocess.ErrConfig},
	} {
		g := classifier()
		g.Inputs[0].Type.Shape = c.shape
		if c.metadata != "" {
			g.Metadata["repvit.preprocess"] = c.metadata
		}
		s, err := infer.New(g, infer.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		got, err := s.Preprocess()
		if !errors.Is(err, c.err) || c.err == nil && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: found %+v, %v, expected %+v, %v", name, got, err, c.want, c.err)
		}
		if _, err := s.Classify(context.Background(), gradient(8, 8), 1); !errors.Is(err, c.err) {
			t.Errorf("%s: Classify gives %v", name, err)
		}
	}
	fit := preprocess.Segmentation(64, 32)
	text, err := json.Marshal(fit)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		metadata string
		shape    graph.Shape
		want     preprocess.Fit
		err      error
	}{
		"a rule":         {string(text), symbolic, fit, nil},
		"a fixed size":   {string(text), graph.FixedShape(1, 3, 32, 48), fit.Sized(32, 48), nil},
		"nothing":        {"", symbolic, preprocess.Fit{}, preprocess.ErrConfig},
		"a classifier's": {`{"height":96,"width":64,"crop_pct":0.95,"mean":[0,0,0],"std":[1,1,1],"interpolation":"bicubic"}`, symbolic, preprocess.Fit{}, preprocess.ErrConfig},
	} {
		g := classifier()
		g.Inputs[0].Type.Shape = c.shape
		if c.metadata != "" {
			g.Metadata["repvit.preprocess"] = c.metadata
		}
		s, err := infer.New(g, infer.Options{Threads: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if got, err := s.Fit(); !errors.Is(err, c.err) || c.err == nil && !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: Fit gives %+v, %v, expected %+v, %v", name, got, err, c.want, c.err)
		}
	}
	g := classifier()
	g.Outputs = []*graph.Value{g.Nodes[0].Output} // the pooled features, 1×3×1×1
	s, err := infer.New(g, infer.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Classify(context.Background(), gradient(8, 8), 1); !errors.Is(err, infer.ErrUnsupported) {
		t.Errorf("features instead of logits: %v", err)
	}
}
