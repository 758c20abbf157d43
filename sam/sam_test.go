package sam_test

import (
	"bytes"
	"context"
	"errors"
	"image"
	"image/png"
	"math"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/sam"
)

const data = "../testdata/sam/"

// convertTo converts a checkpoint and returns the files of its parts.
func convertTo(t testing.TB, file string, size int, output string, s model.SAM) (encoder, decoder string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), output)
	if _, err := convert.File(context.Background(), data+file, path, convert.Options{Model: model.Options{Height: size, Width: size, SAM: s}, NoCheck: true}); err != nil {
		t.Fatal(err)
	}
	return convert.PartPath(path, model.PartEncoder), convert.PartPath(path, model.PartDecoder)
}

func open(t testing.TB, encoder, decoder string) *sam.Segmenter {
	t.Helper()
	s, err := sam.Open(encoder, decoder, infer.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func picture(t testing.TB, name string) image.Image {
	t.Helper()
	img, err := preprocess.OpenUpright(data + name)
	if err != nil {
		t.Fatal(err)
	}
	return img
}

// call is a prompt, what the official code made of it, and its score.
type call struct {
	prompt sam.Prompt
	mask   string
	score  float64
}

var calls = map[string][]call{
	"repvit_sam": {
		{sam.Prompt{Inside: []sam.Point{{X: 48, Y: 67}}}, "repvit_sam.mask1.png", 0.80038},
		{sam.Prompt{Inside: []sam.Point{{X: 103, Y: 42}}, Outside: []sam.Point{{X: 151, Y: 81}}}, "repvit_sam.mask2.png", 0.81164},
		{sam.Prompt{Box: &sam.Box{X0: 107, Y0: 40, X1: 162, Y1: 93}}, "repvit_sam.mask3.png", 0.5657},
	},
	"edge_sam": {
		{sam.Prompt{Inside: []sam.Point{{X: 126, Y: 106}}}, "edge_sam.mask1.png", 0.934744},
		{sam.Prompt{Inside: []sam.Point{{X: 151, Y: 161}}, Outside: []sam.Point{{X: 86, Y: 74}}}, "edge_sam.mask2.png", 0.74014},
		{sam.Prompt{Box: &sam.Box{X0: 27, Y0: 82, X1: 80, Y1: 167}}, "edge_sam.mask3.png", 0.801652},
	},
}

// agrees checks a mask's pixels.
func agrees(t *testing.T, m *sam.Mask, file string) {
	t.Helper()
	want := picture(t, file)
	same := 0
	for y := range m.Height {
		for x := range m.Width {
			if v, _, _, _ := want.At(x, y).RGBA(); (v > 1<<15) == m.At(x, y) {
				same++
			}
		}
	}
	if n := m.Width * m.Height; want.Bounds().Size() != image.Pt(m.Width, m.Height) || float64(same) < 0.995*float64(n) {
		t.Errorf("%s: %d of %d pixels agree", file, same, n)
	}
}

func TestSegment(t *testing.T) {
	for _, c := range []struct {
		name, network, file string
		size                int
		output              string
		sam                 model.SAM
	}{
		{"RepViT-SAM", "repvit_sam", "repvit_sam.pt", 128, "s.onnx", model.SAM{}},
		{"native", "repvit_sam", "repvit_sam.pt", 128, "s.safetensors", model.SAM{}},
		{"all masks", "repvit_sam", "repvit_sam.pt", 128, "s.onnx", model.SAM{Outputs: model.OutputsLow}},
		{"pixels", "repvit_sam", "repvit_sam.pt", 128, "s.onnx", model.SAM{Input: model.InputHWC}},
		{"planes", "edge_sam", "edge_sam.pth", 160, "s.safetensors", model.SAM{Input: model.InputUint8}},
		{"EdgeSAM", "edge_sam", "edge_sam.pth", 160, "s.onnx", model.SAM{}},
		{"EdgeSAM's stability", "edge_sam", "edge_sam.pth", 160, "s.onnx", model.SAM{Outputs: model.OutputsEdgeSAM}},
	} {
		t.Run(c.name, func(t *testing.T) {
			encoder, decoder := convertTo(t, c.file, c.size, c.output, c.sam)
			s := open(t, encoder, decoder)
			if s.Size() != c.size {
				t.Errorf("size %d, want %d", s.Size(), c.size)
			}
			img := picture(t, c.network+".png")
			e, err := s.Embed(context.Background(), img)
			if err != nil {
				t.Fatal(err)
			}
			var group sync.WaitGroup
			for _, call := range calls[c.network] {
				group.Go(func() { // at the same time
					m, err := s.Segment(context.Background(), e, call.prompt)
					if err != nil {
						t.Error(err)
						return
					}
					agrees(t, m, call.mask)
					if c.sam.Outputs != model.OutputsEdgeSAM && math.Abs(m.Score-call.score) > 1e-4 {
						t.Errorf("%s: score %v, want %v", call.mask, m.Score, call.score)
					}
					gray := m.Image()
					var b bytes.Buffer
					if err := png.Encode(&b, gray); err != nil {
						t.Error(err)
					}
					area := 0
					for _, v := range gray.Pix {
						area += int(v) / 255
					}
					if area != m.Area() || area == 0 {
						t.Errorf("%s: area %d, and %d in the picture", call.mask, m.Area(), area)
					}
				})
			}
			group.Wait()
		})
	}
}

// TestKeptEmbeddings: an embedding written with package npy gives the same masks.
func TestKeptEmbeddings(t *testing.T) {
	encoder, decoder := convertTo(t, "repvit_sam.pt", 128, "s.onnx", model.SAM{})
	s := open(t, encoder, decoder)
	img := picture(t, "repvit_sam.png")
	e, err := s.Embed(context.Background(), img)
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := npy.Write(&b, e.Tensor); err != nil {
		t.Fatal(err)
	}
	back, err := npy.Read(b.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	kept, err := s.Embedding(back, e.Bounds().X, e.Bounds().Y)
	if err != nil {
		t.Fatal(err)
	}
	p := calls["repvit_sam"][0].prompt
	a, err := s.Segment(context.Background(), e, p)
	if err != nil {
		t.Fatal(err)
	}
	m, err := s.Segment(context.Background(), kept, p)
	if err != nil || !slices.Equal(a.Logits, m.Logits) {
		t.Errorf("another mask: %v", err)
	}
	// A mask that is refined is another one.
	p.Before = m
	refined, err := s.Segment(context.Background(), kept, p)
	if err != nil || slices.Equal(refined.Logits, m.Logits) {
		t.Errorf("the same mask: %v", err)
	}
	for name, x := range map[string]*graph.Tensor{
		"none":          nil,
		"another shape": graph.Float32Tensor([]int{1, 32, 4, 16}, make([]float32, 2048)),
		"doubles":       graph.Float64Tensor([]int{1, 32, 8, 8}, make([]float64, 2048)),
	} {
		if _, err := s.Embedding(x, 200, 100); !errors.Is(err, graph.ErrShape) {
			t.Errorf("%s: error %v, want ErrShape", name, err)
		}
	}
	if _, err := s.Embedding(back, 0, 5); !errors.Is(err, preprocess.ErrImage) {
		t.Errorf("an image without pixels: error %v", err)
	}
}

func TestPrompts(t *testing.T) {
	encoder, decoder := convertTo(t, "edge_sam.pth", 160, "s.onnx", model.SAM{Outputs: model.OutputsEdgeSAM})
	s := open(t, encoder, decoder)
	e, err := s.Embed(context.Background(), picture(t, "edge_sam.png"))
	if err != nil {
		t.Fatal(err)
	}
	at := func(x, y float64) []sam.Point { return []sam.Point{{X: x, Y: y}} }
	w, h := float64(e.Bounds().X), float64(e.Bounds().Y)
	for name, p := range map[string]sam.Prompt{
		"none":             {},
		"not a number":     {Inside: at(math.NaN(), 3)},
		"infinite":         {Outside: at(3, math.Inf(1))},
		"left of it":       {Inside: at(-0.5, 3)},
		"below it":         {Inside: at(3, h+1)},
		"box of no width":  {Box: &sam.Box{X0: 5, Y0: 5, X1: 5, Y1: 9}},
		"box upside down":  {Box: &sam.Box{X0: 5, Y0: 9, X1: 8, Y1: 5}},
		"box beyond":       {Box: &sam.Box{X0: 5, Y0: 5, X1: w + 1, Y1: 9}},
		"a box of nothing": {Box: &sam.Box{X0: math.NaN(), Y0: 5, X1: 7, Y1: 9}},
		"too many":         {Inside: make([]sam.Point, sam.MaxPoints+1)},
	} {
		if _, err := s.Segment(context.Background(), e, p); !errors.Is(err, sam.ErrPrompt) {
			t.Errorf("%s: error %v, want ErrPrompt", name, err)
		}
	}
	m, err := s.Segment(context.Background(), e, sam.Prompt{Inside: at(w, h)}) // a corner
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.Segment(context.Background(), e, sam.Prompt{Inside: at(3, 3), Before: m}); !errors.Is(err, sam.ErrNetwork) {
		t.Errorf("a mask for a decoder that takes none: error %v, want ErrNetwork", err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := s.Embed(ctx, picture(t, "edge_sam.png")); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: error %v", err)
	}
}

func TestNetworks(t *testing.T) {
	encoder, decoder := convertTo(t, "edge_sam.pth", 160, "s.onnx", model.SAM{})
	other, _ := convertTo(t, "repvit_sam.pt", 128, "s.onnx", model.SAM{})
	for name, c := range map[string][2]string{
		"changed places": {decoder, encoder},
		"two encoders":   {encoder, encoder},
		"of two sizes":   {other, decoder},
	} {
		if _, err := sam.Open(c[0], c[1], infer.Options{}); !errors.Is(err, sam.ErrNetwork) {
			t.Errorf("%s: error %v, want ErrNetwork", name, err)
		}
	}
	if _, err := sam.Open(encoder, encoder+".none", infer.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: error %v", err)
	}
}

func Example() {
	ctx := context.Background()
	s, err := sam.Open("sam.encoder.onnx", "sam.decoder.onnx", infer.Options{})
	if err != nil {
		return
	}
	defer s.Close()
	img, err := preprocess.OpenUpright("cat.jpg")
	if err != nil {
		return
	}
	e, err := s.Embed(ctx, img) // once for all prompts
	if err != nil {
		return
	}
	m, err := s.Segment(ctx, e, sam.Prompt{Inside: []sam.Point{{X: 320, Y: 200}}})
	if err != nil {
		return
	}
	f, err := os.Create("mask.png")
	if err != nil {
		return
	}
	defer f.Close()
	_ = png.Encode(f, m.Image())
}
