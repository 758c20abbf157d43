package reference_test

import (
	"archive/zip"
	"bytes"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
	"github.com/repvit-go/repvit/verify/reference"
)

const testdata = "../../testdata"

// elements returns what a little-endian .npy file of floats holds, for which the header
// is text between the first ten bytes and a newline. The shape is the caller's business.
func elements(t testing.TB, data []byte) []float64 {
	t.Helper()
	end := bytes.IndexByte(data, '\n')
	if end < 0 || !bytes.HasPrefix(data, []byte("\x93NUMPY\x01")) {
		t.Fatal("not a .npy file of version 1")
	}
	header, body := string(data[10:end]), data[end+1:]
	size := 4
	dtype := graph.Float32
	if strings.Contains(header, "'<f8'") {
		size, dtype = 8, graph.Float64
	}
	return graph.RawTensor(dtype, []int{len(body) / size}, slices.Clone(body)).Float64s()
}

func read(t testing.TB, name string) []float64 {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(testdata, name))
	if err != nil {
		t.Fatal(err)
	}
	return elements(t, data)
}

func input(t testing.TB, name string, shape ...int) *graph.Tensor {
	t.Helper()
	return graph.Float64Tensor(shape, read(t, name))
}

func build(t testing.TB, name string, opts pytorch.Options, shape model.Options) *graph.Graph {
	t.Helper()
	f, err := pytorch.Open(filepath.Join(testdata, name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	sd, err := f.StateDict(opts)
	if err != nil {
		t.Fatal(err)
	}
	m, err := family.Build(sd, shape)
	if err != nil {
		t.Fatal(err)
	}
	return m.Graph
}

func run(t testing.TB, g *graph.Graph, x *graph.Tensor) []*graph.Tensor {
	t.Helper()
	n, err := reference.New(g, 0)
	if err != nil {
		t.Fatal(err)
	}
	all, err := n.RunAll(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// within checks that no element is further from what PyTorch says than the tolerance
// times the largest of all.
func within(t *testing.T, what string, got *graph.Tensor, want []float64, tolerance float64) {
	t.Helper()
	v := got.Float64s()
	if len(v) != len(want) {
		t.Fatalf("%s: %d elements, want %d", what, len(v), len(want))
	}
	worst, scale := 0.0, 0.0
	for i := range v {
		worst, scale = max(worst, math.Abs(v[i]-want[i])), max(scale, math.Abs(want[i]))
	}
	if !(worst <= tolerance*scale) {
		t.Errorf("%s: %.1e of the largest element away from PyTorch, want %.0e at most", what, worst/scale, tolerance)
	}
}

// PyTorch computed these logits in float64 from the same weights. The training form has
// nothing to lose; the deploy form rounds its folded weights to float32.
const (
	exact  = 1e-12
	folded = 1e-6
)

func TestPyTorchLogits(t *testing.T) {
	x := input(t, "input.npy", 2, 3, 64, 64)
	files, err := filepath.Glob(filepath.Join(testdata, "*.logits64.npy"))
	if err != nil || len(files) < 10 {
		t.Fatalf("%d references in %s, error %v", len(files), testdata, err)
	}
	for _, f := range files {
		name := strings.TrimSuffix(filepath.Base(f), ".logits64.npy")
		t.Run(name, func(t *testing.T) {
			file, ema := strings.CutSuffix(name, ".ema")
			checkpoints, err := filepath.Glob(filepath.Join(testdata, file+".[ps]*t*"))
			if err != nil || len(checkpoints) != 1 {
				t.Fatalf("checkpoints %v, error %v", checkpoints, err)
			}
			g := build(t, filepath.Base(checkpoints[0]), pytorch.Options{EMA: ema}, model.Options{})
			want := read(t, filepath.Base(f))
			training := exact
			if name == "v2_fused" { // its float32 weights were folded before they were saved
				training = folded
			}
			within(t, "training form", run(t, g, x)[0], want, training)
			within(t, "deploy form", run(t, reparam.Fuse(g), x)[0], want, folded)
		})
	}
}

// Any resolution, against float32 logits.
func TestPyTorchResolution(t *testing.T) {
	x := input(t, "input_96x160.npy", 1, 3, 96, 160)
	for _, name := range []string{"v1_release", "v2_train"} {
		g := build(t, name+".pth", pytorch.Options{}, model.Options{})
		want := read(t, name+".logits_96x160.npy")
		within(t, name, run(t, g, x)[0], want, 1e-5)
		within(t, name+" deploy form", run(t, reparam.Fuse(g), x)[0], want, 1e-5)
	}
}

// Every stage's feature map, against float32 maps.
func TestPyTorchFeatures(t *testing.T) {
	x := input(t, "input.npy", 2, 3, 64, 64)
	for _, name := range []string{"v1_release", "v2_train"} {
		maps, err := zip.OpenReader(filepath.Join(testdata, name+".features.npz"))
		if err != nil {
			t.Fatal(err)
		}
		defer maps.Close()
		g := build(t, name+".pth", pytorch.Options{}, model.Options{Features: true})
		stages := []string{"features.2.npy", "features.5.npy", "features.8.npy", "features.11.npy"}
		for form, g := range map[string]*graph.Graph{"training": g, "deploy": reparam.Fuse(g)} {
			for i, got := range run(t, g, x) {
				r, err := maps.Open(stages[i])
				if err != nil {
					t.Fatal(err)
				}
				data, err := io.ReadAll(r)
				if err != nil {
					t.Fatal(err)
				}
				within(t, name+" "+form+" "+stages[i], got, elements(t, data), 1e-5)
			}
		}
	}
}
