package sam_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/torchtest"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
	"github.com/repvit-go/repvit/verify/reference"
)

const data = "../../testdata/sam/"

// networks are the checkpoints, and the side of their squares.
var networks = []struct {
	name, file, family string
	size               int
}{
	{"repvit_sam", "repvit_sam.pt", "RepViT-SAM", 128},
	{"edge_sam", "edge_sam.pth", "EdgeSAM", 160},
}

// stateDict opens a checkpoint.
func stateDict(t *testing.T, path string) *pytorch.StateDict {
	t.Helper()
	f, err := pytorch.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	sd, err := f.StateDict(pytorch.Options{Networks: family.Networks})
	if err != nil {
		t.Fatal(err)
	}
	return sd
}

// truth reads what the official code computed in float64.
func truth(t *testing.T, name string) map[string]*graph.Tensor {
	t.Helper()
	b, err := os.ReadFile(data + name + ".expect.npz")
	if err != nil {
		t.Fatal(err)
	}
	arrays, err := npy.ReadZip(b)
	if err != nil {
		t.Fatal(err)
	}
	m := map[string]*graph.Tensor{}
	for _, a := range arrays {
		m[a.Name] = a.Tensor
	}
	return m
}

// forms are those in which a network is run: as it was read, fused, and read back from ONNX.
func forms(t *testing.T, g *graph.Graph) map[string]*graph.Graph {
	t.Helper()
	fused := reparam.Fuse(g)
	m := map[string]*graph.Graph{"training": g, "fused": fused}
	for _, opset := range []int{13, 20} {
		var b bytes.Buffer
		if err := onnx.Encode(&b, fused, onnx.Options{Opset: opset}); err != nil {
			t.Fatal(err)
		}
		back, err := onnx.Decode(b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		m[fmt.Sprintf("ONNX opset %d", opset)] = back.Graph
	}
	return m
}

// holds checks outputs of both engines.
func holds(t *testing.T, g *graph.Graph, inputs []*graph.Tensor, want map[string]*graph.Tensor) {
	t.Helper()
	s, err := infer.New(g, infer.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	r, err := reference.New(g, 1)
	if err != nil {
		t.Fatal(err)
	}
	for name, run := range map[string]func(context.Context, []*graph.Tensor) ([]*graph.Tensor, error){"engine": s.RunInputs, "reference": r.RunInputs} {
		got, err := run(context.Background(), inputs)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for i, v := range g.Outputs {
			w := want[v.Name]
			if w == nil || !slices.Equal(got[i].Shape, w.Shape) {
				t.Errorf("%s: %s has shape %v, want %v", name, v.Name, got[i].Shape, w)
				continue
			}
			a, b := got[i].Float64s(), w.Float64s()
			top, worst := 0.0, 0.0
			for k := range b {
				top, worst = max(top, math.Abs(b[k])), max(worst, math.Abs(a[k]-b[k]))
			}
			if !(worst <= 2e-5*top) {
				t.Errorf("%s: %s is off by %.1e of %.1e", name, v.Name, worst, top)
			}
		}
	}
}

func TestEncoders(t *testing.T) {
	for _, n := range networks {
		sd, want := stateDict(t, data+n.file), truth(t, n.name)
		img, err := preprocess.Open(data + n.name + ".png")
		if err != nil {
			t.Fatal(err)
		}
		square, place, err := preprocess.Letterbox(n.size).Tensor(img)
		if err != nil {
			t.Fatal(err)
		}
		pixels, _, err := preprocess.Letterbox(n.size).Pixels(img)
		if err != nil {
			t.Fatal(err)
		}
		h, w := place.Resized.Y, place.Resized.X
		planes := make([]byte, 3*h*w)
		for i := range h * w {
			for c := range 3 {
				planes[c*h*w+i] = pixels.Bytes()[3*i+c]
			}
		}
		chw, err := graph.NewTensor(graph.Uint8, []int{1, 3, h, w}, planes)
		if err != nil {
			t.Fatal(err)
		}
		hwc := graph.Float32Tensor([]int{h, w, 3}, pixels.Float32s())
		for _, c := range []struct {
			name, output, truth string
			sam                 model.SAM
			input               *graph.Tensor
		}{
			{"square", "image_embeddings", "image_embeddings", model.SAM{}, square},
			{"pixels", "image_embeddings", "image_embeddings", model.SAM{Part: model.PartEncoder, Input: model.InputHWC}, hwc},
			{"pixels of one size", "image_embeddings", "image_embeddings", model.SAM{Input: model.InputHWC, Height: h, Width: w}, hwc},
			{"planes", "output", "image_embeddings", model.SAM{Input: model.InputUint8}, chw},
			{"planes of one size", "output", "image_embeddings", model.SAM{Input: model.InputUint8, Height: h, Width: w}, chw},
			{"bicubic", "image_embeddings", "image_embeddings", model.SAM{Upsample: model.UpsampleBicubic}, square},
			{"bilinear", "image_embeddings", "image_embeddings_bilinear", model.SAM{Upsample: model.UpsampleBilinear}, square},
		} {
			t.Run(n.name+"/"+c.name, func(t *testing.T) {
				m, err := family.Build(sd, model.Options{Height: n.size, Width: n.size, SAM: c.sam})
				if c.sam.Upsample != "" && n.family != "EdgeSAM" {
					if !errors.Is(err, model.ErrOptions) {
						t.Fatalf("error %v, want ErrOptions", err)
					}
					return
				}
				if err != nil {
					t.Fatal(err)
				}
				if m.Info.Family != n.family || !slices.Equal(m.Info.Parts, model.SAMParts()) || len(m.Ignored) != 0 {
					t.Errorf("family %s, parts %v, ignored %v", m.Info.Family, m.Info.Parts, m.Ignored)
				}
				for form, g := range forms(t, m.Graph) {
					t.Run(form, func(t *testing.T) {
						holds(t, g, []*graph.Tensor{c.input}, map[string]*graph.Tensor{c.output: want[c.truth]})
					})
				}
			})
		}
	}
}

func TestDecoders(t *testing.T) {
	for _, n := range networks {
		sd, all := stateDict(t, data+n.file), truth(t, n.name)
		for _, layout := range model.DecoderOutputs() {
			m, err := family.Build(sd, model.Options{Height: n.size, Width: n.size, SAM: model.SAM{Part: model.PartDecoder, Outputs: layout}})
			if err != nil {
				t.Fatal(err)
			}
			if nodes := len(reparam.Fuse(m.Graph).Nodes); nodes > 260 {
				t.Errorf("%s: %d nodes, want 260 at most", n.name, nodes)
			}
			for form, g := range forms(t, m.Graph) {
				for p := 1; p <= 6; p++ {
					at := func(name string) *graph.Tensor { return all[fmt.Sprintf("p%d.%s", p, name)] }
					want := map[string]*graph.Tensor{"masks": at("masks"), "iou_predictions": at("iou_predictions"), "low_res_masks": at("low_res_masks")}
					if layout != model.OutputsSAM {
						if at("all_masks") == nil || layout == model.OutputsEdgeSAM && (at("scores") == nil || at("has_mask_input").Float32s()[0] != 0) {
							continue
						}
						want = map[string]*graph.Tensor{"masks": at("all_masks"), "low_res_masks": at("all_masks"), "iou_predictions": at("all_iou"), "scores": at("scores")}
					}
					var inputs []*graph.Tensor
					for _, in := range g.Inputs {
						x := at(in.Name)
						switch {
						case in.Name == "image_embeddings":
							x = all[in.Name]
						case x == nil: // a mask that does not count
							shape, _ := in.Type.Shape.Ints()
							count, _ := graph.Numel(shape)
							x = graph.Float32Tensor(shape, slices.Repeat([]float32{float32(p)}, count))
						}
						inputs = append(inputs, x)
					}
					t.Run(fmt.Sprintf("%s/%s/%s/%d", n.name, layout, form, p), func(t *testing.T) { holds(t, g, inputs, want) })
				}
			}
		}
	}
}

// TestPromptBatch: several prompts at once give what each gives alone.
func TestPromptBatch(t *testing.T) {
	sd, all := stateDict(t, data+"repvit_sam.pt"), truth(t, "repvit_sam")
	m, err := family.Build(sd, model.Options{Height: 128, Width: 128, SAM: model.SAM{Part: model.PartDecoder}})
	if err != nil {
		t.Fatal(err)
	}
	s, err := infer.New(reparam.Fuse(m.Graph), infer.Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	run := func(prompts ...[]float32) []*graph.Tensor {
		var at, labels []float32
		for _, p := range prompts {
			at, labels = append(append(at, p...), 0, 0), append(labels, 1, -1)
		}
		n := len(prompts)
		out, err := s.RunInputs(context.Background(), []*graph.Tensor{all["image_embeddings"], graph.Float32Tensor([]int{n, 2, 2}, at), graph.Float32Tensor([]int{n, 2}, labels),
			graph.Float32Tensor([]int{1, 1, 32, 32}, make([]float32, 1024)), graph.Float32Tensor([]int{1}, []float32{0}), graph.Float32Tensor([]int{2}, []float32{40, 50})})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	prompts := [][]float32{{20, 30}, {90, 50}, {64, 100}}
	together := run(prompts...)
	for i, p := range prompts {
		for k, one := range run(p) {
			a, b := together[k].Float32s()[i*one.Len():][:one.Len()], one.Float32s()
			for j := range b {
				if math.Abs(float64(a[j]-b[j])) > 1e-5 {
					t.Fatalf("prompt %d, output %d: element %d is %v, alone %v", i, k, j, a[j], b[j])
				}
			}
		}
	}
}

// TestRefusals: what has the names and is another network, or is not whole.
func TestRefusals(t *testing.T) {
	sd := stateDict(t, data+"repvit_sam.pt")
	var whole []torchtest.Named
	all := *sd
	all.Within = ""
	for _, k := range all.Keys() {
		x, _ := all.Get(k)
		if v, err := x.Float32s(); err == nil && x.DType.Float() {
			whole = append(whole, torchtest.Named{Name: k, Shape: x.Shape, Values: v})
		}
	}
	without := func(part string) []torchtest.Named {
		return slices.DeleteFunc(slices.Clone(whole), func(n torchtest.Named) bool { return strings.Contains(n.Name, part) })
	}
	with := func(name string, shape ...int) []torchtest.Named {
		n, _ := graph.Numel(shape)
		return append(slices.Clone(whole), torchtest.Named{Name: name, Shape: shape, Values: make([]float32, n)})
	}
	renamed := func(from, to string) []torchtest.Named {
		list := slices.Clone(whole)
		for i := range list {
			list[i].Name = strings.Replace(list[i].Name, from, to, 1)
		}
		return list
	}
	square := func(s model.SAM) model.Options { return model.Options{Height: 128, Width: 128, SAM: s} }
	encoder, decoder := square(model.SAM{Part: model.PartEncoder}), square(model.SAM{Part: model.PartDecoder})
	for _, c := range []struct {
		name    string
		tensors []torchtest.Named
		opts    model.Options
		is      error
		says    string
	}{
		{"SAM-HQ", with("mask_decoder.hf_token.weight", 1, 32), decoder, model.ErrKey, "mask_decoder.hf_token.weight"},
		{"SAM-HQ's encoder", with("mask_decoder.compress_vit_feat.0.bias", 4), encoder, model.ErrKey, "SAM-HQ"},
		{"LoRA", with("mask_decoder.transformer.layers.0.self_attn.q_proj.lora_A", 4, 32), decoder, model.ErrKey, "LoRA"},
		{"a missing key", without("iou_prediction_head.layers.1.weight"), decoder, model.ErrKey, "mask_decoder.iou_prediction_head.layers.1.weight"},
		{"a missing key of a hypernetwork", without("mlps.2.layers.0.bias"), decoder, model.ErrKey, "mlps.2.layers.0.bias"},
		{"an unknown key of the decoder", with("mask_decoder.more.weight", 1), decoder, model.ErrKey, "mask_decoder.more.weight"},
		{"an unknown key of the neck", with("image_encoder.neck.4.weight", 32), encoder, model.ErrKey, "image_encoder.neck.4.weight"},
		{"a foreign encoder", renamed("image_encoder.features.", "image_encoder.blocks."), square(model.SAM{}), model.ErrEncoder, "not a RepViT"},
		{"no decoder", without("mask_decoder"), decoder, model.ErrFamily, "no decoder"},
		{"any size", whole, model.Options{}, model.ErrOptions, "expected one"},
		{"an odd size", whole, model.Options{Height: 132, Width: 132}, model.ErrOptions, "multiple of 32"},
		{"a rectangle", whole, model.Options{Height: 128, Width: 160}, model.ErrOptions, "square"},
		{"a batch of pixels", whole, model.Options{Height: 128, Width: 128, Batch: 2, SAM: model.SAM{Input: model.InputHWC}}, model.ErrOptions, "batch of 2"},
		{"images that are too large", whole, square(model.SAM{Input: model.InputUint8, Height: 129, Width: 100}), model.ErrOptions, "at most 128×128"},
		{"outputs of an encoder", whole, square(model.SAM{Part: model.PartEncoder, Outputs: model.OutputsLow}), model.ErrOptions, "low"},
		{"the input of a decoder", whole, square(model.SAM{Part: model.PartDecoder, Input: model.InputHWC}), model.ErrOptions, "decoder"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "x.safetensors")
			if err := os.WriteFile(path, torchtest.Safetensors(c.tensors...), 0o666); err != nil {
				t.Fatal(err)
			}
			_, err := family.Build(stateDict(t, path), c.opts)
			if !errors.Is(err, c.is) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("error %v, want %v that says %q", err, c.is, c.says)
			}
		})
	}
	// A foreign encoder's decoder can be had, and one without any encoder is taken as it is.
	for name, c := range map[string]struct {
		tensors []torchtest.Named
		opts    model.Options
	}{
		"foreign": {renamed("image_encoder.features.", "image_encoder.blocks."), decoder},
		"alone":   {without("image_encoder"), square(model.SAM{})},
		"prefix":  {renamed("", "model.sam."), decoder},
	} {
		path := filepath.Join(t.TempDir(), name+".safetensors")
		if err := os.WriteFile(path, torchtest.Safetensors(c.tensors...), 0o666); err != nil {
			t.Fatal(err)
		}
		m, err := family.Build(stateDict(t, path), c.opts)
		if err != nil || !slices.Equal(m.Info.Parts, []string{model.PartDecoder}) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
