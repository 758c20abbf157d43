package format

import (
	"bytes"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	tt "github.com/repvit-go/repvit/internal/torchtest"
)

func small() *graph.Graph {
	g := &graph.Graph{Name: "n", Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 2, 3, 3)}}}}
	g.Outputs = []*graph.Value{g.Add("y", graph.Relu{}, g.Inputs[0])}
	return g
}

// TestWritten holds every format that is written to what its entry says.
func TestWritten(t *testing.T) {
	for _, f := range Written() {
		files := make([]bytes.Buffer, len(f.Paths("a")))
		var w []io.Writer
		for i := range files {
			w = append(w, &files[i])
		}
		if err := f.Encode(w, small(), Options{}); err != nil {
			t.Fatal(err)
		}
		var data [][]byte
		for i := range files {
			data = append(data, files[i].Bytes())
		}
		if got := Of(data[0]); got != f {
			t.Errorf("%s: by its content found %v", f.Name, got)
		}
		m, err := f.Decode(data)
		if err != nil || len(m.Graph.Nodes) != 1 || (m.Opset != 0) != f.Opset {
			t.Errorf("%s: decoded %v, %v", f.Name, m, err)
		}
		if Named(f.Name) != f || !slices.Contains(Names(), f.Name) {
			t.Errorf("%s: not found by its name", f.Name)
		}
		for _, e := range f.Extensions {
			if For("a/b"+e) != f {
				t.Errorf("%s: not found by its extension %s", f.Name, e)
			}
		}
	}
	if Named("checkpoint") != nil || For("a.pth") != nil || For("a") != ONNX || For("a.") != ONNX || For("A.ONNX") != ONNX {
		t.Error("found formats that are not written, or not those that are")
	}
}

func TestOf(t *testing.T) {
	files, err := filepath.Glob("../../testdata/*.pt*")
	if err != nil || len(files) == 0 {
		t.Fatal("no checkpoints")
	}
	for _, path := range append(files, "../../testdata/timm_v1.safetensors") {
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if Of(data) != Checkpoint {
			t.Errorf("%s: found %v, expected a checkpoint", path, Of(data))
		}
	}
	// A header's length may begin like an ONNX file.
	if f := Of(tt.SafetensorsOf("{"+strings.Repeat(" ", 256+8-2)+"}", nil)); f != Checkpoint {
		t.Errorf("found %v, expected a checkpoint", f)
	}
	for _, data := range []string{"", "x", "<html>", "\x80"} {
		if f := Of([]byte(data)); f != nil {
			t.Errorf("%q: found %s", data, f.Name)
		}
	}
}

func TestIsCheckpointName(t *testing.T) {
	for name, want := range map[string]bool{"a.pth": true, "a.PT": true, "a.safetensors": true, "a.pth.tar": true, "a.tar": false, "a.onnx": false, "a": false} {
		if got := IsCheckpointName(name); got != want {
			t.Errorf("%s: found %v", name, got)
		}
	}
}

func TestList(t *testing.T) {
	for want, words := range map[string][]string{"": nil, "a": {"a"}, "a or b": {"a", "b"}, "a, b or c": {"a", "b", "c"}} {
		if got := List(words); got != want {
			t.Errorf("found %q, expected %q", got, want)
		}
	}
}
