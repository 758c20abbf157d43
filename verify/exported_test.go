package verify_test

import (
	"context"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/verify"
	"github.com/repvit-go/repvit/verify/reference"
)

// What PyTorch's exporter makes of networks, in old opsets and new ones, gives PyTorch's
// outputs in both engines.
func TestPyTorchExports(t *testing.T) {
	files, err := filepath.Glob("../testdata/exported/*.onnx")
	if err != nil || len(files) < 8 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	suffix := regexp.MustCompile(`_[0-9]+\.onnx$`)
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			data, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			m, err := onnx.Decode(data)
			if err != nil {
				t.Fatal(err)
			}
			x, want := recorded(t, suffix.ReplaceAllString(file, ".npz"))
			session, err := infer.New(m.Graph, infer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			defer session.Close()
			network, err := reference.New(m.Graph, 0)
			if err != nil {
				t.Fatal(err)
			}
			// The files hold weights that the exporter rounded to float32, folded.
			for name, e := range map[string]verify.Engine{"infer": session, "reference": network} {
				y, err := e.Run(context.Background(), x)
				if err != nil {
					t.Errorf("%s: %v", name, err)
					continue
				}
				c, err := verify.Compare(y, want, verify.Tolerance{Abs: 2e-6, Scaled: true})
				if err != nil || !c.Equal {
					t.Errorf("%s: %v, %v", name, c, err)
				}
			}
		})
	}
}

// recorded reads the input x and the outputs y of PyTorch.
func recorded(t *testing.T, path string) (x, y *graph.Tensor) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	arrays, err := npy.ReadZip(data)
	if err != nil || len(arrays) != 2 || arrays[0].Name != "x" || arrays[1].Name != "y" {
		t.Fatalf("%s: %d arrays, %v", path, len(arrays), err)
	}
	return arrays[0].Tensor, arrays[1].Tensor
}
