package interop

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/npy"
)

// checkpoints returns every checkpoint of testdata that has reference logits: the file, the
// stem of its references, and the flags that choose the weights.
func checkpoints(t testing.TB) (all [][3]string) {
	t.Helper()
	refs, err := filepath.Glob(testdata + "/*.logits64.npy")
	if err != nil || len(refs) == 0 {
		t.Fatalf("no reference logits in %s: %v", testdata, err)
	}
	for _, r := range refs {
		stem := strings.TrimSuffix(r, ".logits64.npy")
		flag := "--quiet"
		base := strings.TrimSuffix(stem, ".ema")
		if base != stem {
			flag = "--ema"
		}
		for _, ext := range []string{".pth", ".pt", ".safetensors"} {
			if _, err := os.Stat(base + ext); err == nil {
				all = append(all, [3]string{base + ext, stem, flag})
			}
		}
	}
	return all
}

// float32Error is what float32 arithmetic may differ from float64 by, relative to the
// largest logit.
const float32Error = 4e-6

func TestConvert(t *testing.T) {
	needORT(t)
	input := testdata + "/input.npy"
	for _, c := range checkpoints(t) {
		t.Run(filepath.Base(c[1]), func(t *testing.T) {
			onnx := filepath.Join(t.TempDir(), "model.onnx")
			run(t, "repvit-convert", c[0], "-q", c[2], "--size", "64", "-o", onnx)
			want := read(t, c[1]+".logits64.npy")
			near(t, "ONNX Runtime", read(t, ort(t, onnx, input)(0)), want, float32Error)
			run(t, "repvit-verify", onnx, "--input", input, "--logits", c[1]+".logits.npy")
			native := filepath.Join(t.TempDir(), "model.safetensors")
			run(t, "repvit-convert", c[0], "-q", c[2], "--size", "64", "-o", native)
			out := filepath.Join(t.TempDir(), "out.npy")
			run(t, "repvit-verify", "run", native, "--input", input, "-o", out)
			near(t, "the native form", read(t, out), want, float32Error)
		})
	}
}

func TestChecker(t *testing.T) {
	needChecker(t)
	input := testdata + "/input.npy"
	for _, c := range checkpoints(t) {
		t.Run(filepath.Base(c[1]), func(t *testing.T) {
			onnx, out := filepath.Join(t.TempDir(), "model.onnx"), filepath.Join(t.TempDir(), "out.npy")
			run(t, "repvit-convert", c[0], "-q", c[2], "--size", "64", "-o", onnx)
			run(t, "/usr/bin/python3", "check_onnx.py", onnx, input, out)
			near(t, "OpenCV", read(t, out), read(t, c[1]+".logits64.npy"), 1e-4)
		})
	}
}

func TestOptions(t *testing.T) {
	needORT(t)
	input, wide := testdata+"/input.npy", testdata+"/input_96x160.npy"
	logits := read(t, testdata+"/v2_release.logits.npy")
	wideLogits := read(t, testdata+"/v2_train.logits_96x160.npy") // the same weights
	type test struct {
		name, input string
		args        []string
		want        *graph.Tensor
		tolerance   float64
	}
	tests := []test{
		{"half", input, []string{"--half", "--size", "64"}, logits, 2e-2},
		{"dynamic", wide, []string{"--size", "dynamic"}, wideLogits, float32Error},
		{"fixed size", wide, []string{"--size", "96x160"}, wideLogits, float32Error},
		{"fixed batch", input, []string{"--batch", "2", "--size", "64"}, logits, float32Error},
		{"training form", input, []string{"--no-fuse", "--size", "64"}, logits, 1e-5},
		{"softmax", input, []string{"--softmax", "--size", "64"}, softmax(logits), 1e-6},
	}
	for v := 13; v <= 21; v++ {
		opset := []string{"--opset", string(rune('0'+v/10)) + string(rune('0'+v%10)), "--size", "64"}
		tests = append(tests, test{"opset " + opset[1], input, opset, logits, float32Error},
			test{"half opset " + opset[1], input, append(opset, "--half"), logits, 2e-2})
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			onnx := filepath.Join(t.TempDir(), "model.onnx")
			run(t, "repvit-convert", append(tt.args, testdata+"/v2_release.pth", "-q", "-o", onnx)...)
			near(t, "ONNX Runtime", read(t, ort(t, onnx, tt.input)(0)), tt.want, tt.tolerance)
		})
	}
}

func softmax(x *graph.Tensor) *graph.Tensor {
	v, k := x.Float64s(), x.Shape[1]
	out := make([]float64, len(v))
	for i := 0; i < len(v); i += k {
		sum := 0.0
		for j := i; j < i+k; j++ {
			out[j] = math.Exp(v[j])
			sum += out[j]
		}
		for j := i; j < i+k; j++ {
			out[j] /= sum
		}
	}
	return graph.Float64Tensor(x.Shape, out)
}

func TestFeatures(t *testing.T) {
	needORT(t)
	onnx := filepath.Join(t.TempDir(), "model.onnx")
	run(t, "repvit-convert", testdata+"/v2_release.pth", "-q", "--features", "--size", "64", "-o", onnx)
	out := ort(t, onnx, testdata+"/input.npy")
	data, err := os.ReadFile(testdata + "/v2_train.features.npz")
	if err != nil {
		t.Fatal(err)
	}
	arrays, err := npy.ReadZip(data)
	if err != nil {
		t.Fatal(err)
	}
	for i, block := range []string{"features.2", "features.5", "features.8", "features.11"} {
		found := false
		for _, a := range arrays {
			if a.Name == block {
				found = true
				near(t, block, read(t, out(i)), a.Tensor, 1e-5)
			}
		}
		if !found {
			t.Errorf("no %s in the reference", block)
		}
	}
}
