package load

import (
	"bytes"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/format"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/native"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
)

const testdata = "../../testdata/"

// converted writes a checkpoint's fused network in the native format and as ONNX.
func converted(t *testing.T) (nativeFile, onnxFile string) {
	t.Helper()
	f, err := Open(testdata+"v2_release.pth", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	g := reparam.Fuse(f.Graph)
	write := func(name string, encode func(*bytes.Buffer) error) string {
		var b bytes.Buffer
		if err := encode(&b); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	// Names say nothing: content does.
	return write("model.onnx", func(b *bytes.Buffer) error { return native.Encode(b, g) }),
		write("model.safetensors", func(b *bytes.Buffer) error { return onnx.Encode(b, g, onnx.Options{Opset: 17}) })
}

func TestOpen(t *testing.T) {
	nativeFile, onnxFile := converted(t)
	tests := []struct {
		path string
		kind *format.Format
	}{
		{testdata + "v2_release.pth", format.Checkpoint},
		{testdata + "v2_plain_legacy.pth", format.Checkpoint},
		{testdata + "v2_module.pt", format.Checkpoint},
		{testdata + "timm_v1.safetensors", format.Checkpoint},
		{nativeFile, format.Native},
		{onnxFile, format.ONNX},
	}
	for _, tt := range tests {
		f, err := Open(tt.path, Options{})
		if err != nil {
			t.Errorf("%s: %v", tt.path, err)
			continue
		}
		info, err := os.Stat(tt.path)
		if err != nil {
			t.Fatal(err)
		}
		if f.Format != tt.kind || f.Path != tt.path || f.Size != info.Size() || int64(len(f.Data)) != f.Size {
			t.Errorf("%s: kind %s, path %s, %d of %d bytes, want kind %s", tt.path, f.Format.Name, f.Path, f.Size, info.Size(), tt.kind.Name)
		}
		if err := f.Graph.Validate(); err != nil {
			t.Errorf("%s: %v", tt.path, err)
		}
		if got, want := f.Checkpoint != nil && f.State != nil && f.Model != nil, tt.kind == format.Checkpoint; got != want {
			t.Errorf("%s: checkpoint %v, want %v", tt.path, got, want)
		}
		if got, want := f.Converted != nil, tt.kind != format.Checkpoint; got != want {
			t.Errorf("%s: converted %v, want %v", tt.path, got, want)
		}
		if err := f.Close(); err != nil {
			t.Errorf("%s: %v", tt.path, err)
		}
	}
}

func TestOpenReadsTheWeightsAskedFor(t *testing.T) {
	sum := func(opts pytorch.Options) (sum float64) {
		f, err := Open(testdata+"v2_train.pth", Options{Weights: opts})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		for _, n := range f.Graph.Nodes {
			for _, v := range n.Inputs {
				if v.Const != nil {
					for _, x := range v.Const.Float64s() {
						sum += x
					}
				}
			}
		}
		return sum
	}
	if raw, ema := sum(pytorch.Options{}), sum(pytorch.Options{EMA: true}); raw == ema {
		t.Errorf("the averaged weights are the raw ones: both sum to %v", raw)
	}
}

func TestErrorsNameTheFile(t *testing.T) {
	nativeFile, onnxFile := converted(t)
	cut := func(path string) string {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		short := filepath.Join(t.TempDir(), "cut"+filepath.Ext(path))
		if err := os.WriteFile(short, data[:len(data)/2], 0o666); err != nil {
			t.Fatal(err)
		}
		return short
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o666); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(t.TempDir(), "missing.pth")
	paths := []string{missing, empty, t.TempDir(), cut(nativeFile), cut(onnxFile), cut(testdata + "v2_release.pth"), testdata + "input.npy"}
	hostile, err := filepath.Glob(testdata + "hostile/net_*.pth") // files whose tensors are read, but make no network
	if err != nil || len(hostile) == 0 {
		t.Fatalf("no hostile files: %v", err)
	}
	for _, path := range append(paths, hostile...) {
		f, err := Open(path, Options{})
		if err == nil {
			f.Close()
			t.Errorf("%s opens", path)
			continue
		}
		text := err.Error()
		if n := strings.Count(text, path); n != 1 || !strings.HasPrefix(text, path+": ") {
			t.Errorf("%s: the error names the file %d times: %s", path, n, text)
		}
	}
	if _, err := Open(missing, Options{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file that is not there: %v", err)
	}
}

func TestInputShape(t *testing.T) {
	batch, height, width := graph.Symbol("batch"), graph.Symbol("height"), graph.Symbol("width")
	tests := []struct {
		declared graph.Shape
		want     []int
	}{
		{graph.Shape{batch, graph.Fixed(3), height, width}, []int{2, 3, 96, 160}},
		{graph.Shape{batch, graph.Fixed(3), graph.Fixed(64), graph.Fixed(32)}, []int{2, 3, 64, 32}},
		{graph.FixedShape(8, 3, 224, 224), []int{8, 3, 224, 224}},
		{graph.Shape{batch, graph.Symbol("channels"), height, width}, []int{2, 1, 96, 160}}, // nobody says how many channels
	}
	for _, tt := range tests {
		g := &graph.Graph{Inputs: []*graph.Value{{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: tt.declared}}}}
		if got := InputShape(g, 2, 96, 160); !slices.Equal(got, tt.want) {
			t.Errorf("%v: %v, want %v", tt.declared, got, tt.want)
		}
	}
}

// TestFit opens files that say how whole images become the input: as classifiers' they are
// refused.
func TestFit(t *testing.T) {
	_, file := converted(t)
	f, err := Open(file, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if fit, ok := f.Fit(); ok {
		t.Errorf("a classifier's file says %v", fit)
	}
	want := preprocess.Detection(64, 48)
	text, err := json.Marshal(want)
	if err != nil {
		t.Fatal(err)
	}
	f.Graph.Metadata[model.MetaPreprocess] = string(text)
	if fit, ok := f.Fit(); !ok || !reflect.DeepEqual(fit, want) {
		t.Errorf("found %v, %v, expected %v", fit, ok, want)
	}
	p, err := f.Preprocess()
	if err != nil || p.Height != 224 || !slices.Equal(p.Mean, want.Mean) {
		t.Errorf("found %+v, %v", p, err)
	}
	if err := p.Validate(); !errors.Is(err, preprocess.ErrConfig) {
		t.Errorf("images would be cropped: %v", err)
	}
}
