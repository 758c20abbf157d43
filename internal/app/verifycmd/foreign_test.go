//go:build foreign

package verifycmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/reparam"
)

// TestSecondDecoder: the statement that a program with the second decoder makes.
func TestSecondDecoder(t *testing.T) {
	checkpoint, err := load.Open("../../../testdata/v2_release.pth", load.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer checkpoint.Close()
	if note, err := secondDecoder(checkpoint); note != "" || err != nil {
		t.Errorf("of a checkpoint: %q, %v", note, err)
	}
	fused := reparam.Fuse(checkpoint.Graph)
	for name, want := range map[string]string{"float.onnx": "a second decoder (onnx-go) reads the same ", "half.onnx": "not compared with a second decoder: "} {
		g := fused
		if name == "half.onnx" {
			g = quant.Half(fused)
		}
		path := filepath.Join(t.TempDir(), name)
		w, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := onnx.Encode(w, g, onnx.Options{}); err != nil {
			t.Fatal(err)
		}
		w.Close()
		f, err := load.Open(path, load.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if note, err := secondDecoder(f); err != nil || !strings.HasPrefix(note, want) {
			t.Errorf("%s: %q, %v, want %q", name, note, err, want)
		}
	}
}
