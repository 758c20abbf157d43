package evaluate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/verify"
	"github.com/repvit-go/repvit/verify/reference"
)

// raw preprocessing hands over the red, green and blue of an image of 2×2 in 0..1.
var raw = preprocess.Config{Height: 2, Width: 2, CropPct: 1, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}, Interpolation: preprocess.Bilinear}

// colors is a network with six classes: the means of red, green and blue, then those of
// their opposites, 1 less the mean. The weights are multiplied by scale.
func colors(t testing.TB, batch graph.Dim, scale float32) verify.Engine {
	x := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32,
		Shape: graph.Shape{batch, graph.Fixed(3), graph.Fixed(2), graph.Fixed(2)}}}
	g := &graph.Graph{Inputs: []*graph.Value{x}}
	y := g.Add("flatten", graph.Flatten{}, g.Add("pool", graph.GlobalAveragePool{}, x))
	w := make([]float32, 18)
	b := make([]float32, 6)
	for i := range 3 {
		w[i*3+i], w[(i+3)*3+i], b[i+3] = scale, -scale, scale
	}
	y = g.Add("logits", graph.Gemm{}, y, graph.Weight("w", graph.Float32Tensor([]int{6, 3}, w)), graph.Weight("b", graph.Float32Tensor([]int{6}, b)))
	g.Outputs = []*graph.Value{y}
	return truth(t, g)
}

// paint writes 2×2 images of one color each.
func paint(t testing.TB, dir string, images map[string]color.Color) {
	t.Helper()
	for name, c := range images {
		m := image.NewRGBA(image.Rect(0, 0, 2, 2))
		for i := range 4 {
			m.Set(i%2, i/2, c)
		}
		f, err := os.Create(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if err := png.Encode(f, m); err != nil {
			t.Fatal(err)
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

func folder(t testing.TB) string {
	dir := t.TempDir()
	paint(t, dir, map[string]color.Color{
		"red.png":    color.RGBA{250, 10, 20, 255}, // classes 0 4 5 2 1 3
		"green.png":  color.RGBA{20, 200, 60, 255}, // classes 3 1 5 2 4 0
		"blue.PNG":   color.RGBA{0, 100, 255, 255}, // classes 2 3 4 1 0 5
		"yellow.png": color.RGBA{255, 255, 0, 255}, // classes 0 1 5 2 3 4
	})
	return dir
}

func labels(t testing.TB, text string) string {
	path := filepath.Join(t.TempDir(), "labels.csv")
	if err := os.WriteFile(path, []byte("file,label\n"+text), 0o666); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEvaluate(t *testing.T) {
	o := Images{Dir: folder(t), Preprocess: raw, Engine: colors(t, graph.Symbol("batch"), 1),
		// Right, right, wrong but in the top 5, beyond the top 5, in the top 5.
		Labels: labels(t, "red.png,0\nblue.PNG,2\ngreen.png,4\ngreen.png,0\nyellow.png,1\n")}
	var want Result
	for i, c := range []struct{ batch, threads int }{{1, 1}, {2, 3}, {3, 1}, {0, 0}, {100, 2}} {
		o.Batch, o.Threads = c.batch, c.threads
		var steps []string
		o.Progress = func(done, total int) { steps = append(steps, fmt.Sprint(done, "/", total)) }
		got, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		if !(got.ImagesPerSecond > 0) {
			t.Errorf("%v images per second", got.ImagesPerSecond)
		}
		got.ImagesPerSecond = 0
		if i == 0 {
			want = Result{Images: 5, Top1: 0.4, Top5: 0.8, Labelled: true,
				Misses: []Miss{{"green.png", 4, 3, -1}, {"green.png", 0, 3, -1}, {"yellow.png", 1, 0, -1}}}
			if len(steps) != 5 || steps[4] != "5 / 5" && steps[4] != "5/5" {
				t.Errorf("progress %v", steps)
			}
		}
		if fmt.Sprint(*got) != fmt.Sprint(want) {
			t.Errorf("batch %d, %d threads: found %+v, want %+v", c.batch, c.threads, *got, want)
		}
	}
}

func TestEvaluateAgainst(t *testing.T) {
	dir := folder(t)
	any := graph.Symbol("batch")
	for _, c := range []struct {
		batch graph.Dim
		scale float32
		sqnr  float64
		agree float64
	}{
		{any, 1, math.Inf(1), 1},
		{any, 1.1, 20 * math.Log10(10), 1},
		{graph.Fixed(3), 1.1, 20 * math.Log10(10), 1},
		{any, -1, 20 * math.Log10(0.5), 0},
	} {
		e, err := Run(t.Context(), Images{Dir: dir, Preprocess: raw, Engine: colors(t, c.batch, c.scale), Against: colors(t, any, 1), Batch: 3})
		if err != nil {
			t.Fatal(err)
		}
		if e.Images != 4 || e.Labelled || !e.Compared || e.Agree != c.agree || !(math.Abs(e.SQNR-c.sqnr) < 1e-5 || e.SQNR == c.sqnr) {
			t.Errorf("scale %v: %+v", c.scale, *e)
		}
		var files []string
		for _, m := range e.Misses {
			files = append(files, m.File)
		}
		var want []string
		if c.agree == 0 {
			want = []string{"blue.PNG", "green.png", "red.png", "yellow.png"}
		}
		if !slices.Equal(files, want) {
			t.Errorf("scale %v: misses %v, want %v", c.scale, files, want)
		}
	}
	e, err := Run(t.Context(), Images{Dir: dir, Labels: labels(t, "red.png,0\ngreen.png,3\n"), Preprocess: raw,
		Engine: colors(t, any, -1), Against: colors(t, any, 1)})
	if err != nil || e.Top1 != 0 || e.AgainstTop1 != 1 || e.AgainstTop5 != 1 || len(e.Misses) != 2 || e.Misses[1].Against != 3 {
		t.Errorf("%+v, %v", e, err)
	}
}

// The same images through a real network: both engines say the same.
func TestEvaluateNetwork(t *testing.T) {
	g := checkpoint(t, "v2_release.pth")
	e, err := Run(t.Context(), Images{Dir: folder(t), Preprocess: preprocess.ImageNet(64, 64, 1), Engine: fast(t, g), Against: truth(t, g), Batch: 3})
	if err != nil {
		t.Fatal(err)
	}
	if e.Images != 4 || e.Agree != 1 || !(e.SQNR > 90) || len(e.Misses) != 0 {
		t.Errorf("%+v", *e)
	}
}

func TestEvaluateErrors(t *testing.T) {
	dir := folder(t)
	if err := os.WriteFile(filepath.Join(dir, "broken.png"), []byte("\x89PNG"), 0o666); err != nil {
		t.Fatal(err)
	}
	engine := colors(t, graph.Symbol("batch"), 1)
	good := Images{Dir: dir, Preprocess: raw, Engine: engine, Labels: labels(t, "red.png,0\nblue.PNG,2\n")}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx    context.Context
		change func(*Images)
		want   error
		text   string
	}{
		"broken image":     {nil, func(o *Images) { o.Labels, o.Strict = "", true }, preprocess.ErrImage, filepath.Join(dir, "broken.png")},
		"all are broken":   {nil, func(o *Images) { o.Labels = labels(t, "broken.png,0\n") }, preprocess.ErrImage, "none of 1 can be decoded, the first is broken.png: none of PNG, JPEG, WebP, BMP, GIF and TIFF: found bytes 89"},
		"missing image":    {nil, func(o *Images) { o.Labels = labels(t, "red.png,0\nno.png,0\nbroken.png,0\n") }, fs.ErrNotExist, filepath.Join(dir, "no.png")},
		"too large label":  {nil, func(o *Images) { o.Labels = labels(t, "red.png,6\n") }, ErrLabels, "labels.csv:2: "},
		"no labels file":   {nil, func(o *Images) { o.Labels = "nothing.csv" }, fs.ErrNotExist, "nothing.csv"},
		"no folder":        {nil, func(o *Images) { o.Dir, o.Labels = "nowhere", "" }, fs.ErrNotExist, "nowhere"},
		"empty folder":     {nil, func(o *Images) { o.Dir, o.Labels = t.TempDir(), "" }, nil, "found no images"},
		"bad preprocess":   {nil, func(o *Images) { o.Preprocess.Height = 0 }, preprocess.ErrConfig, ""},
		"other resolution": {nil, func(o *Images) { o.Preprocess.Height = 3 }, graph.ErrShape, ""},
		"negative batch":   {nil, func(o *Images) { o.Batch = -1 }, graph.ErrShape, ""},
		"no engine":        {nil, func(o *Images) { o.Engine = nil }, graph.ErrGraph, ""},
		"cancelled":        {cancelled, func(*Images) {}, context.Canceled, ""},
		"other classes": {nil, func(o *Images) {
			g := checkpoint(t, "v2_release.pth")
			o.Against = truth(t, g)
		}, graph.ErrShape, ""},
	} {
		o, ctx := good, t.Context()
		c.change(&o)
		if c.ctx != nil {
			ctx = c.ctx
		}
		e, err := Run(ctx, o)
		if err == nil || c.want != nil && !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, %v", name, e, err)
		}
	}
}

// TestBroken: images that cannot be decoded change nothing about the others, wherever they stand.
func TestBroken(t *testing.T) {
	dir := folder(t)
	whole, err := os.ReadFile(filepath.Join(dir, "red.png"))
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"empty.png": nil, "cut.png": whole[:len(whole)-20], "text.jpg": []byte("<html>"), "a.webp": []byte("RIFF\x04\x00\x00\x00WEBPVP8 ")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	o := Images{Dir: dir, Preprocess: raw, Engine: colors(t, graph.Symbol("batch"), 1), Against: colors(t, graph.Fixed(2), -1),
		Labels: labels(t, "red.png,0\nblue.PNG,2\ngreen.png,4\n")}
	want, err := Run(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	want.ImagesPerSecond = 0
	want.Broken = []Broken{
		{"text.jpg", "none of PNG, JPEG, WebP, BMP, GIF and TIFF: found bytes 3c 68 74 6d 6c 3e"},
		{"empty.png", "none of PNG, JPEG, WebP, BMP, GIF and TIFF: found an empty file"},
		{"cut.png", "png: invalid format: unexpected EOF"},
	}
	o.Labels = labels(t, "text.jpg,0\nempty.png,1\nred.png,0\ncut.png,1\nblue.PNG,2\ngreen.png,4\n")
	for _, c := range []struct{ batch, threads int }{{1, 1}, {2, 3}, {3, 1}, {100, 2}} {
		o.Batch, o.Threads = c.batch, c.threads
		last := 0
		o.Progress = func(done, total int) { last = done }
		got, err := Run(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		got.ImagesPerSecond = 0
		if fmt.Sprint(*got) != fmt.Sprint(*want) || last != 6 {
			t.Errorf("batch %d, %d threads: found %+v after %d images, want %+v", c.batch, c.threads, *got, last, *want)
		}
	}
	// Files that only others decode are no secret.
	o.Labels, o.Progress = "", nil
	if got, err := Run(t.Context(), o); err != nil || got.Images != 4 || len(got.Broken) != 4 || got.Broken[0] != (Broken{"a.webp", "webp: invalid format"}) {
		t.Errorf("%+v, %v", got, err)
	}
	o.Strict = true
	if _, err := Run(t.Context(), o); !errors.Is(err, preprocess.ErrImage) || !strings.HasPrefix(err.Error(), filepath.Join(dir, "a.webp")+": ") {
		t.Errorf("strict: %v", err)
	}
}

func TestJSON(t *testing.T) {
	for _, c := range []struct {
		v    Result
		want string
	}{
		{Result{Images: 2, Top1: 0.5, Top5: 1, Labelled: true, ImagesPerSecond: 8},
			`{"images":2,"top1":0.5,"top5":1,"agree":null,"sqnr_db":null,"images_per_second":8}`},
		{Result{Images: 2, Broken: []Broken{{"a.png", "unexpected EOF"}}, Agree: 1, SQNR: 30, Compared: true, ImagesPerSecond: 8},
			`{"images":2,"broken":{"count":1,"files":[{"file":"a.png","reason":"unexpected EOF"}]},"top1":null,"top5":null,"agree":1,"sqnr_db":30,"images_per_second":8}`},
		{Result{Images: 2, Agree: 1, SQNR: 30.5, Compared: true, ImagesPerSecond: 8},
			`{"images":2,"top1":null,"top5":null,"agree":1,"sqnr_db":30.5,"images_per_second":8}`},
	} {
		got, err := json.Marshal(c.v)
		if err != nil || string(got) != c.want {
			t.Errorf("found %s (%v), want %s", got, err, c.want)
		}
	}
}

// checkpoint returns the training form of a network that PyTorch wrote.
func checkpoint(t testing.TB, name string) *graph.Graph {
	t.Helper()
	f, err := pytorch.Open(filepath.Join("../testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	sd, err := f.StateDict(pytorch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := family.Build(sd, model.Options{Preprocess: preprocess.ImageNet(64, 64, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return m.Graph
}

func truth(t testing.TB, g *graph.Graph) verify.Engine {
	t.Helper()
	n, err := reference.New(g, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func fast(t testing.TB, g *graph.Graph) verify.Engine {
	t.Helper()
	s, err := infer.New(g, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
