package convert_test

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/quant"
)

const checkpoint = "../testdata/v2_release.pth"

var small = model.Options{Height: 64, Width: 64}

func TestFile(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name string
		o    convert.Options
		want string // what is compared
	}{
		{"a.onnx", convert.Options{Model: small}, "[fusing file format]"},
		{"a.safetensors", convert.Options{Model: small}, "[fusing file format]"},
		{"a.bin", convert.Options{Model: small, Format: "native"}, "[fusing file format]"},
		{"half.onnx", convert.Options{Model: small, Half: true}, "[fusing float16 file format]"},
		{"training.onnx", convert.Options{Model: small, NoFuse: true}, "[file format]"},
		{"int8.onnx", convert.Options{Model: small, Int8: &convert.Int8{AcceptLoss: true}}, "[fusing file format]"},
		{"unproven.onnx", convert.Options{Model: small, NoCheck: true}, ""},
	} {
		path := filepath.Join(dir, c.name)
		c.o.Hash = true
		called := false
		c.o.BeforeCommit = func(r *convert.Result, n convert.Networks) error {
			if _, err := os.Stat(path); err == nil {
				t.Errorf("%s: it has its name before it is finished", c.name)
			}
			if c.o.Int8 != nil == (n.Written == n.Deploy) && !c.o.Half || c.o.NoFuse != (n.Training == n.Deploy) {
				t.Errorf("%s: networks %p, %p, %p", c.name, n.Training, n.Deploy, n.Written)
			}
			called = true
			return nil
		}
		r, err := convert.File(context.Background(), checkpoint, path, c.o)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		data, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if sum := sha256.Sum256(data); !called || r.Output.SHA256 != hex.EncodeToString(sum[:]) || r.Output.Bytes != int64(len(data)) {
			t.Errorf("%s: %d bytes, called %v, described as %+v", c.name, len(data), called, r.Output)
		}
		if (r.Check != nil) != (c.want != "") || r.Check != nil && fmt.Sprint(r.Check.Compared) != c.want {
			t.Errorf("%s: found check %+v, expected %s", c.name, r.Check, c.want)
		}
		if (r.Quant != nil) != (c.o.Int8 != nil) {
			t.Errorf("%s: found quantization %v", c.name, r.Quant)
		}
		s, err := infer.Open(path, infer.Options{})
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		s.Close()
	}
}

func TestErrors(t *testing.T) {
	dir := t.TempDir()
	onnx := filepath.Join(dir, "m.onnx")
	if _, err := convert.File(context.Background(), checkpoint, onnx, convert.Options{Model: small}); err != nil {
		t.Fatal(err)
	}
	own := filepath.Join(dir, "own.pth")
	data, err := os.ReadFile(checkpoint)
	if err == nil {
		err = os.WriteFile(own, data, 0o666)
	}
	if err != nil {
		t.Fatal(err)
	}
	wrong := errors.New("wrong")
	x := npy.Array{Tensor: graph.Float32Tensor([]int{1, 3, 64, 64}, make([]float32, 3*64*64))}
	y := npy.Array{Tensor: graph.Float32Tensor([]int{1, 10}, make([]float32, 10))}
	for name, c := range map[string]struct {
		in, out string
		o       convert.Options
		want    error
		text    string
	}{
		"no file":      {"none.pth", "o.onnx", convert.Options{}, os.ErrNotExist, "none.pth"},
		"extension":    {checkpoint, "o.pb", convert.Options{}, nil, `found extension ".pb", expected .onnx, .safetensors, .tflite, .mlpackage or .param, or a format`},
		"format":       {checkpoint, "o.onnx", convert.Options{Format: "caffe"}, nil, `found format "caffe", expected onnx, native, tflite, coreml or ncnn`},
		"opset":        {checkpoint, "o.onnx", convert.Options{Opset: 99, Model: small}, nil, "99"},
		"itself":       {own, "own.pth", convert.Options{Format: "native"}, nil, "own.pth"},
		"converted":    {onnx, "o.onnx", convert.Options{Model: small}, convert.ErrConverted, "m.onnx"},
		"feature maps": {checkpoint, "o.onnx", convert.Options{Model: model.Options{Taps: model.Taps{Rule: model.TapEnds}}}, convert.ErrNoFeatures, "feature maps"},
		"int8":         {checkpoint, "o.onnx", convert.Options{Half: true, Int8: &convert.Int8{}}, nil, "float32 networks only"},
		"calibration":  {checkpoint, "o.onnx", convert.Options{Model: small, Int8: &convert.Int8{Calibration: filepath.Join(dir, "none")}}, os.ErrNotExist, "none"},
		"last":         {checkpoint, "o.onnx", convert.Options{Model: small, BeforeCommit: func(*convert.Result, convert.Networks) error { return wrong }}, wrong, "wrong"},
		"reference":    {checkpoint, "o.onnx", convert.Options{Reference: &convert.Reference{Input: x, Expect: []npy.Array{y}, InputName: "x.npy", ExpectName: "y.npy"}}, nil, "y.npy: found a difference of"},
	} {
		r, err := convert.File(context.Background(), c.in, filepath.Join(dir, c.out), c.o)
		if err == nil || r != nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) || strings.ContainsAny(err.Error(), "\n") || strings.Contains(err.Error(), "--") {
			t.Errorf("%s: found error %v, expected %v with %q", name, err, c.want, c.text)
		}
		if _, err := os.Stat(filepath.Join(dir, "o.onnx")); err == nil {
			t.Errorf("%s: a file was written", name)
		}
	}
	if again, err := os.ReadFile(own); err != nil || !bytes.Equal(again, data) {
		t.Error("the checkpoint was changed")
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := convert.File(ctx, checkpoint, filepath.Join(dir, "o.onnx"), convert.Options{Model: small}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}

// TestLossError has a network that int8 ruins refused.
func TestLossError(t *testing.T) {
	path := filepath.Join(t.TempDir(), "o.onnx")
	o := convert.Options{Model: small, Int8: &convert.Int8{Scope: quant.All, Method: quant.Entropy}}
	_, err := convert.File(context.Background(), "../testdata/v1_release.pth", path, o)
	var loss *convert.LossError
	if !errors.As(err, &loss) || loss.Quantization.Verdict != quant.Unusable || !strings.Contains(err.Error(), "expected an SQNR of at least") {
		t.Errorf("found error %v", err)
	}
	if _, err := os.Stat(path); err == nil {
		t.Error("it was written")
	}
	o.Int8.AcceptLoss = true
	if r, err := convert.File(context.Background(), "../testdata/v1_release.pth", path, o); err != nil || r.Quant.Verdict != quant.Unusable {
		t.Errorf("accepted: %v, %v", r, err)
	}
}

// An ONNX file that says nothing of itself is quantized like others.
func TestQuantizeWithoutMetadata(t *testing.T) {
	dir := t.TempDir()
	in := &graph.Value{Name: "x", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{graph.Symbol("n"), graph.Fixed(3), graph.Fixed(32), graph.Fixed(32)}}}
	g := &graph.Graph{Inputs: []*graph.Value{in}}
	w := make([]float32, 64*3)
	for i := range w {
		w[i] = float32(i%7) - 3
	}
	y := g.Add("conv", graph.Conv{Strides: [2]int{1, 1}, Group: 1}, in, graph.Weight("w", graph.Float32Tensor([]int{64, 3, 1, 1}, w)))
	g.Outputs = []*graph.Value{g.Add("y", graph.ReduceMax{Axes: []int{-2, -1}}, y)}
	var b bytes.Buffer
	if err := onnx.Encode(&b, g, onnx.Options{}); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(path, b.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	r, err := convert.File(context.Background(), path, filepath.Join(dir, "m.int8.onnx"), convert.Options{Int8: &convert.Int8{AcceptLoss: true}})
	if err != nil || r.Quant == nil {
		t.Fatalf("%+v, %v", r, err)
	}
}

// What int8 costs a promptable segmenter is said of clicks, whatever the decoder's layout.
func TestClicks(t *testing.T) {
	images := t.TempDir()
	for _, name := range []string{"repvit_sam.png", "edge_sam.png"} {
		data, err := os.ReadFile("../testdata/sam/" + name)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(images, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, layout := range []string{"sam", "low", "edgesam"} {
		o := convert.Options{Model: model.Options{Height: 128, Width: 128}, Int8: &convert.Int8{Calibration: images, AcceptLoss: true}}
		o.Model.SAM.Outputs = layout
		r, err := convert.File(context.Background(), "../testdata/sam/repvit_sam.pt", filepath.Join(t.TempDir(), "m.onnx"), o)
		if err != nil {
			t.Fatalf("%s: %v", layout, err)
		}
		c := r.Quant.Clicks
		if c == nil || c.Clicks != 25 || !(c.MeanIoU > 0.6 && c.MeanIoU < 1) || !(c.LeastIoU >= 0 && c.LeastIoU < c.MeanIoU) || !(c.Embedding > 0.01 && c.Embedding < 0.3) {
			t.Errorf("%s: %+v", layout, c)
		}
		if !strings.Contains(r.Quant.String(), "masks of 25 clicks") {
			t.Errorf("%s: %v", layout, r.Quant)
		}
	}
}
