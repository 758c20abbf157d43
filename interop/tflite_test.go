package interop

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/verify"
)

var litertThere = sync.OnceValue(func() error { return exec.Command("node", "-e", "require.resolve('@litertjs/core')").Run() })

func needLiteRT(t testing.TB) { t.Helper(); need(t, "LiteRT", litertThere) }

// litert converts a checkpoint of testdata, runs the file in LiteRT and returns what it gives, under
// the outputs' names, in the file's order, and whether XNNPACK computed every operator.
func litert(t testing.TB, checkpoint, input string, flags ...string) (outputs []*graph.Tensor, names []string, accelerated bool) {
	t.Helper()
	dir := t.TempDir()
	model, out := filepath.Join(dir, "m.tflite"), filepath.Join(dir, "out.npy")
	run(t, "repvit-convert", append([]string{checkpoint, "-q", "-o", model}, flags...)...)
	var said struct {
		Outputs     []struct{ Name string }
		Accelerated bool
	}
	if err := json.Unmarshal([]byte(run(t, "node", "litert.js", model, input, out)), &said); err != nil {
		t.Fatal(err)
	}
	for i, o := range said.Outputs {
		names = append(names, o.Name)
		outputs = append(outputs, read(t, strings.TrimSuffix(out, ".npy")+"."+strconv.Itoa(i)+".npy"))
	}
	return outputs, names, said.Accelerated
}

// randomInput writes an input of one size for the networks of testdata.
func randomInput(t testing.TB, shape ...int) string {
	t.Helper()
	x, err := verify.RandomInput(shape, 5)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "in.npy")
	write(t, path, x)
	return path
}

// phoneError is what a runtime's float32 may differ from PyTorch by, relative to the largest logit.
const phoneError = 1e-5

// TestTFLite holds the float32 file of every checkpoint against PyTorch's logits.
func TestTFLite(t *testing.T) {
	needLiteRT(t)
	for _, c := range checkpoints(t) {
		t.Run(filepath.Base(c[1]), func(t *testing.T) {
			got, names, accelerated := litert(t, c[0], testdata+"/input.npy", c[2], "--size", "64")
			if len(names) != 1 || names[0] != "logits" || !accelerated {
				t.Fatalf("outputs %q, all of them computed by XNNPACK: %v; want logits, true", names, accelerated)
			}
			near(t, "LiteRT", got[0], read(t, c[1]+".logits64.npy"), phoneError)
		})
	}
}

// TestTFLiteSizes: padding is PyTorch's at even sizes and odd ones.
func TestTFLiteSizes(t *testing.T) {
	needLiteRT(t)
	for _, stem := range []string{"v1_release", "v2_train"} {
		got, _, _ := litert(t, testdata+"/"+stem+".pth", testdata+"/input_96x160.npy", "--size", "96x160")
		near(t, stem, got[0], read(t, testdata+"/"+stem+".logits_96x160.npy"), phoneError)
	}
}

// TestTFLiteOutputs holds every output against ONNX Runtime's for the ONNX file that the same flags make.
func TestTFLiteOutputs(t *testing.T) {
	needLiteRT(t)
	needORT(t)
	odd := randomInput(t, 1, 3, 75, 91)
	even := testdata + "/input.npy"
	wide, square := randomInput(t, 1, 3, 64, 96), randomInput(t, 1, 3, 64, 64)
	var maps []string
	for _, kind := range []string{"fpn", "rpn_cls", "rpn_reg"} {
		for level := range 5 {
			maps = append(maps, fmt.Sprint(kind, level))
		}
	}
	stages := []string{"stage1", "stage2", "stage3", "stage4"}
	for name, c := range map[string]struct {
		checkpoint, input string
		flags, want       []string
	}{
		"odd size":            {"v2_train.pth", odd, []string{"--size", "75x91"}, []string{"logits"}},
		"softmax":             {"v2_train.pth", even, []string{"--size", "64", "--softmax"}, []string{"probabilities"}},
		"features":            {"v2_train.pth", even, []string{"--size", "64", "--features"}, stages},
		"features, odd size":  {"v2_train.pth", odd, []string{"--size", "75x91", "--features"}, stages},
		"RepVGG, odd size":    {"families/repvgg.pth", odd, []string{"--size", "75x91"}, []string{"logits"}},
		"MobileOne, odd size": {"families/mobileone.pth", odd, []string{"--size", "75x91"}, []string{"logits"}},
		"MobileOne with SE":   {"families/mobileone_se.pth", even, []string{"--size", "64"}, []string{"logits"}},
		"MobileNetV3-Large":   {"families/mobilenetv3_large.pth", even, []string{"--size", "64"}, []string{"logits"}},
		"MobileNetV3, timm's": {"families/mobilenetv3_large_timm.pth", odd, []string{"--size", "75x91"}, []string{"logits"}},
		"MobileNetV3-Small":   {"families/mobilenetv3_small.pth", odd, []string{"--size", "75x91"}, []string{"logits"}},
		"a detector's maps":   {"dense/det_v2.pth", wide, []string{"--size", "64x96", "--raw"}, maps},
		"a segmenter":         {"dense/seg_v2.pth", wide, []string{"--size", "64x96", "--segment", "logits"}, []string{"logits"}},
		"classes of pixels":   {"dense/seg_v2.pth", wide, []string{"--size", "64x96"}, []string{"classes"}},
		"Segment Anything":    {"sam/repvit_sam.pt", square, []string{"--size", "64", "--part", "encoder"}, []string{"image_embeddings"}},
	} {
		t.Run(name, func(t *testing.T) {
			checkpoint := testdata + "/" + c.checkpoint
			got, names, _ := litert(t, checkpoint, c.input, c.flags...)
			if !slices.Equal(names, c.want) {
				t.Fatalf("outputs %q, want %q", names, c.want)
			}
			onnx := filepath.Join(t.TempDir(), "m.onnx")
			run(t, "repvit-convert", append([]string{checkpoint, "-q", "-o", onnx}, c.flags...)...)
			want := ort(t, onnx, c.input)
			for i, n := range names {
				w := read(t, want(i))
				if !slices.Equal(got[i].Shape, w.Shape) {
					t.Errorf("%s: shape %v, want %v", n, got[i].Shape, w.Shape)
				}
				near(t, n, got[i], w, phoneError)
			}
		})
	}
}

// TestTFLiteRounded: what float16 and int8 cost in LiteRT is what they cost in package infer, which other
// tests hold against ONNX Runtime.
func TestTFLiteRounded(t *testing.T) {
	needLiteRT(t)
	input := testdata + "/input.npy"
	calibrated := []string{"--quant", "int8", "--calib", input, "--int8-scope"}
	for name, c := range map[string]struct {
		flags   []string
		pytorch float64 // signal to noise in dB against PyTorch's logits, at least
		engine  float64 // against what our own engine computes from the file
	}{
		"half":      {[]string{"--half"}, 50, 100},
		"pointwise": {append(calibrated, "pointwise"), 25, 40},
		"all":       {append(calibrated, "all"), 25, 40},
	} {
		t.Run(name, func(t *testing.T) {
			flags := append([]string{"--size", "64"}, c.flags...)
			for _, stem := range []string{"v1_release", "v2_release"} {
				checkpoint := testdata + "/" + stem + ".pth"
				got, _, _ := litert(t, checkpoint, input, flags...)
				dir := t.TempDir()
				model, out := filepath.Join(dir, "m.tflite"), filepath.Join(dir, "own.npy")
				run(t, "repvit-convert", append([]string{checkpoint, "-q", "-o", model}, flags...)...)
				run(t, "repvit-verify", "run", model, "-q", "--input", input, "-o", out)
				pytorch, engine := sqnr(got[0], read(t, testdata+"/"+stem+".logits64.npy")), sqnr(got[0], read(t, out))
				t.Logf("%s: %.1f dB against PyTorch, %.1f dB against our engine", stem, pytorch, engine)
				if !(pytorch >= c.pytorch && engine >= c.engine) {
					t.Errorf("%s: %.1f dB against PyTorch, %.1f dB against our engine; want at least %v and %v", stem, pytorch, engine, c.pytorch, c.engine)
				}
			}
		})
	}
}

// TestTFLiteIntegers: a file whose input and outputs are int8 computes in LiteRT what package infer computes of it, which
// takes and gives what the integers stand for.
func TestTFLiteIntegers(t *testing.T) {
	needLiteRT(t)
	input := testdata + "/input.npy"
	for name, c := range map[string]struct {
		flags  []string
		engine float64 // signal to noise in dB against what our own engine computes from the file, at least
	}{
		"v2_release.pth":                 {nil, 100},
		"v2_train.pth":                   {[]string{"--features"}, 100},
		"families/mobileone_se.pth":      {nil, 100},
		"families/mobilenetv3_large.pth": {nil, 25}, // HARD_SWISH of int8 is less exact than a table
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			model, out := filepath.Join(dir, "m.tflite"), filepath.Join(dir, "own.npz")
			flags := append([]string{"--size", "64", "--quant", "int8", "--int8-io", "--calib", input, "--accept-loss"}, c.flags...)
			run(t, "repvit-convert", append([]string{testdata + "/" + name, "-q", "-o", model}, flags...)...)
			said := run(t, "repvit-convert", "inspect", model, "--json")
			scales, zeros := map[string]float64{}, map[string]float64{}
			for _, m := range regexp.MustCompile(`(\w+) = ([0-9.e-]+)·\(q - (-?\d+)\)`).FindAllStringSubmatch(said, -1) {
				scales[m[1]], _ = strconv.ParseFloat(m[2], 64)
				zeros[m[1]], _ = strconv.ParseFloat(m[3], 64)
			}
			x := read(t, input)
			q := make([]float32, x.Len())
			for i, v := range x.Float64s() {
				q[i] = float32(min(max(math.RoundToEven(v/scales["input"])+zeros["input"], -128), 127))
			}
			rounded := filepath.Join(dir, "in.npy")
			write(t, rounded, graph.Float32Tensor(x.Shape, q))
			got, names, _ := litert(t, testdata+"/"+name, rounded, flags...)
			run(t, "repvit-verify", "run", model, "-q", "--input", input, "-o", out)
			all, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			arrays, err := npy.ReadArrays(all)
			if err != nil {
				t.Fatal(err)
			}
			want := map[string]*graph.Tensor{}
			for _, a := range arrays {
				want[a.Name] = a.Tensor
			}
			for i, n := range names {
				v := got[i].Float64s()
				for k := range v {
					v[k] = scales[n] * (v[k] - zeros[n])
				}
				var d verify.Distance
				d.Add(v, want[n].Float64s())
				t.Logf("%s: %.1f dB against our engine", n, d.SQNR())
				if !(d.SQNR() >= c.engine) {
					t.Errorf("%s: %.1f dB against our engine, want at least %v", n, d.SQNR(), c.engine)
				}
			}
		})
	}
}

// sqnr is the ratio of the signal's power to the difference's, in dB.
func sqnr(got, want *graph.Tensor) float64 {
	var d verify.Distance
	d.Add(got.Float64s(), want.Float64s())
	return d.SQNR()
}
