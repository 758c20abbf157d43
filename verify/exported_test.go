package verify_test

import (
	"context"
	"fmt"
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

// What segment_anything exports as its decoder, with the choice of a mask and without, gives what the
// official code computed, for one to five points, masks to begin with and images of several sizes.
func TestSegmentAnythingExports(t *testing.T) {
	data, err := os.ReadFile("../testdata/sam/repvit_sam.expect.npz")
	if err != nil {
		t.Fatal(err)
	}
	arrays, err := npy.ReadZip(data)
	if err != nil {
		t.Fatal(err)
	}
	expect := map[string]*graph.Tensor{}
	for _, a := range arrays {
		expect[a.Name] = a.Tensor
	}
	outputs := map[string]map[string]string{
		"single_16.onnx": {"masks": "masks", "iou_predictions": "iou_predictions", "low_res_masks": "low_res_masks"},
		"all_11.onnx":    {"iou_predictions": "all_iou", "low_res_masks": "all_masks"},
	}
	for file, names := range outputs {
		data, err := os.ReadFile("../testdata/sam/official/" + file)
		if err != nil {
			t.Fatal(err)
		}
		m, err := onnx.Decode(data)
		if err != nil {
			t.Fatal(err)
		}
		session, err := infer.New(m.Graph, infer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer session.Close()
		network, err := reference.New(m.Graph, 0)
		if err != nil {
			t.Fatal(err)
		}
		for engine, e := range map[string]verify.Engine{"infer": session, "reference": network} {
			compared := 0
			for prompt := 1; prompt <= 6; prompt++ {
				of := func(name string) *graph.Tensor { return expect[fmt.Sprintf("p%d.%s", prompt, name)] }
				var in []npy.Array
				for _, v := range m.Graph.Inputs {
					x := of(v.Name)
					switch v.Name {
					case "image_embeddings":
						x = expect[v.Name]
					case "mask_input":
						if x == nil { // where it does not count
							x = graph.Float32Tensor([]int{1, 1, 32, 32}, make([]float32, 32*32))
						}
					}
					in = append(in, npy.Array{Name: v.Name, Tensor: x})
				}
				x, err := verify.InputsFor(m.Graph, in)
				if err != nil {
					t.Fatal(err)
				}
				got, err := verify.RunAll(context.Background(), e, x...)
				if err != nil {
					t.Fatalf("%s, %s, prompt %d: %v", file, engine, prompt, err)
				}
				for i, v := range m.Graph.Outputs {
					want := of(names[v.Name])
					if want == nil {
						continue
					}
					compared++
					c, err := verify.Compare(got[i], want, verify.Tolerance{Abs: 2e-6, Scaled: true})
					if err != nil || !c.Equal {
						t.Errorf("%s, %s, prompt %d, %s: %v, %v", file, engine, prompt, v.Name, c, err)
					}
				}
			}
			if compared < 8 {
				t.Errorf("%s, %s: %d outputs compared", file, engine, compared)
			}
		}
	}
}
