package convert_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/verify"
	"github.com/repvit-go/repvit/verify/reference"
)

const dense = "../testdata/dense/"

func arrays(t *testing.T, path string) []npy.Array {
	t.Helper()
	a, err := load.Arrays(path)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// TestDense holds segmenters and detectors, written, read back and run by both engines, against
// PyTorch's outputs, and against outputs that are a little different.
func TestDense(t *testing.T) {
	iou := 0.3
	for _, c := range []struct {
		name, size, expect string
		o                  model.Options
		outputs            string
		spoil              func(name string, v []float64)
	}{
		{"seg_v2", "64x64", "", model.Options{Segment: model.SegmentLogits}, "logits", func(_ string, v []float64) { v[100] += 0.1 }},
		{"seg_v2", "32x64", ".batch", model.Options{}, "classes", nil},
		{"seg_bare", "64x64", "", model.Options{Segment: model.SegmentCoarse}, "coarse", func(_ string, v []float64) { v[100] += 0.1 }},
		{"seg_mmengine", "32x64", "", model.Options{}, "classes", func(_ string, v []float64) {
			for i := range 64 {
				v[i] = float64((int(v[i]) + 1) % 4)
			}
		}},
		{"det_v2", "96x128", "", model.Options{}, "dets labels masks", func(name string, v []float64) {
			if name == "dets" {
				v[5*7+2] += 0.5
			}
		}},
		{"det_v2", "96x128", ".iou0.3", model.Options{Detector: model.Detector{IoU: &iou}}, "dets labels masks", func(name string, v []float64) {
			if name == "masks" {
				v[28*28*3+50] += 0.02
			}
		}},
		{"det_v2", "96x128", "", model.Options{Detector: model.Detector{NoMasks: true}}, "dets labels", func(name string, v []float64) {
			if name == "labels" {
				v[4]++
			}
		}},
		{"det_nomask", "96x96", "", model.Options{}, "dets labels", func(name string, v []float64) {
			if name == "dets" {
				v[5*3+4] = 0 // one detection less
			}
		}},
		{"det_agnostic", "64x128", "", model.Options{}, "dets labels masks", nil},
		{"det_empty", "64x96", "", model.Options{}, "dets labels masks", nil},
	} {
		if _, err := fmt.Sscanf(c.size, "%dx%d", &c.o.Height, &c.o.Width); err != nil {
			t.Fatal(err)
		}
		input := ""
		if c.expect == ".batch" {
			input = c.expect
		}
		x := arrays(t, dense+c.name+input+".input.npy")
		for _, ext := range []string{".onnx", ".safetensors"} {
			t.Run(c.name+c.expect+ext, func(t *testing.T) {
				path := filepath.Join(t.TempDir(), "m"+ext)
				if _, err := convert.File(t.Context(), dense+c.name+".pth", path, convert.Options{Model: c.o}); err != nil {
					t.Fatal(err)
				}
				s, err := infer.Open(path, infer.Options{})
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				var names []string
				for _, v := range s.Graph().Outputs {
					names = append(names, v.Name)
				}
				if got := strings.Join(names, " "); got != c.outputs {
					t.Errorf("found outputs %s, expected %s", got, c.outputs)
				}
				r, err := reference.New(s.Graph(), 0)
				if err != nil {
					t.Fatal(err)
				}
				in, err := verify.InputFor(s.Graph(), x)
				if err != nil {
					t.Fatal(err)
				}
				for _, e := range []verify.Engine{s, r} {
					equal(t, e, in, arrays(t, dense+c.name+c.expect+".expect.npz"), nil)
				}
				if c.spoil != nil {
					equal(t, s, in, arrays(t, dense+c.name+c.expect+".expect.npz"), c.spoil)
				}
			})
		}
	}
}

// equal expects outputs to be those wanted, or where they are spoilt not to be.
func equal(t *testing.T, e verify.Engine, x *graph.Tensor, want []npy.Array, spoil func(string, []float64)) {
	t.Helper()
	for i, a := range want {
		if spoil != nil {
			v := a.Tensor.Float64s()
			spoil(a.Name, v)
			want[i].Tensor = graph.Float64Tensor(a.Tensor.Shape, v)
		}
	}
	c, err := verify.Expect(t.Context(), e, x, want, verify.DefaultTolerance)
	if err != nil {
		t.Fatal(err)
	}
	if c.Equal != (spoil == nil) {
		t.Errorf("%T: equal %v: %+v", e, c.Equal, c.Outputs)
	}
}

// TestDenseOptions refuses what a network has not.
func TestDenseOptions(t *testing.T) {
	score := 0.5
	for name, c := range map[string]struct {
		checkpoint string
		o          convert.Options
		text       string
	}{
		"a part of a detector":      {"seg_v2", convert.Options{Model: model.Options{Height: 64, Width: 64, Detector: model.Detector{Score: &score}}}, "found a Semantic FPN, expected a detector"},
		"a part of a segmenter":     {"det_v2", convert.Options{Model: model.Options{Height: 96, Width: 128, Segment: model.SegmentLogits}}, `expected a segmenter for "logits"`},
		"several images":            {"det_v2", convert.Options{Model: model.Options{Height: 96, Width: 128, Batch: 2}}, "one image at a time"},
		"any size":                  {"det_v2", convert.Options{AnySize: true}, "expected a known size"},
		"an odd size":               {"seg_v2", convert.Options{Model: model.Options{Height: 40, Width: 72}}, "multiples of 32"},
		"Softmax":                   {"seg_v2", convert.Options{Model: model.Options{Height: 64, Width: 64, Softmax: true}}, "Softmax"},
		"feature maps of something": {"seg_v2", convert.Options{Model: model.Options{Height: 64, Width: 64, Taps: model.Taps{Rule: model.TapEnds}}}, "feature maps"},
	} {
		path := filepath.Join(t.TempDir(), "m.onnx")
		_, err := convert.File(t.Context(), dense+c.checkpoint+".pth", path, c.o)
		if err == nil || !strings.Contains(err.Error(), c.text) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: found %v, expected %q", name, err, c.text)
		}
	}
}

// TestDenseFiles: the same bytes whatever the threads, the names of the classes in the file, and a
// detector whose nodes were changed is not read.
func TestDenseFiles(t *testing.T) {
	dir := t.TempDir()
	var files [][]byte
	for i, threads := range []int{1, 2} {
		path := filepath.Join(dir, fmt.Sprint(i, ".onnx"))
		if _, err := convert.File(t.Context(), dense+"det_v2.pth", path, convert.Options{Model: model.Options{Height: 96, Width: 128}, Threads: threads}); err != nil {
			t.Fatal(err)
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, data)
	}
	if !bytes.Equal(files[0], files[1]) {
		t.Error("the bytes depend on the threads")
	}
	for _, name := range []string{"disc", "triangle", "ring"} {
		if !bytes.Contains(files[0], []byte(name)) {
			t.Errorf("the class %s is not named", name)
		}
	}
	// A suppression with another threshold is not what the metadata says.
	at := bytes.Index(files[0], []byte("NonMaxSuppression"))
	changed := slices.Clone(files[0])
	copy(changed[at:], "NonMinSuppression")
	path := filepath.Join(dir, "changed.onnx")
	if err := os.WriteFile(path, changed, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := infer.Open(path, infer.Options{}); err == nil || !strings.Contains(err.Error(), "unsupported") {
		t.Errorf("changed: %v", err)
	}
}
