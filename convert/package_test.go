package convert_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/onnx"
)

// TestNormalizationUnsaid: a package takes images where its source says how they are normalised. Where it
// does not, a tensor has to be asked for.
func TestNormalizationUnsaid(t *testing.T) {
	g := &graph.Graph{Name: "n", Inputs: []*graph.Value{{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(1, 3, 4, 4)}}}}
	g.Outputs = []*graph.Value{g.Add("y", graph.Relu{}, g.Inputs[0])}
	dir := t.TempDir()
	source, target := filepath.Join(dir, "n.onnx"), filepath.Join(dir, "n.mlpackage")
	f, err := os.Create(source)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(onnx.Encode(f, g, onnx.Options{}), f.Close()); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.File(t.Context(), source, target, convert.Options{}); !errors.Is(err, convert.ErrNoNormalization) {
		t.Errorf("found %v, expected ErrNoNormalization", err)
	}
	if _, err := os.Lstat(target); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("something was written: %v", err)
	}
	if _, err := convert.File(t.Context(), source, target, convert.Options{Tensor: true}); err != nil {
		t.Error(err)
	}
}
