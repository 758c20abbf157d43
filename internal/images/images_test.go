package images

import (
	"context"
	"errors"
	"image"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/preprocess"
)

// folder makes files, with the content of a png of one colour where their name ends so.
func folder(t *testing.T, names ...string) string {
	t.Helper()
	dir := t.TempDir()
	for i, name := range names {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		f, err := os.Create(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(name, ".png") {
			img := image.NewGray(image.Rect(0, 0, 8, 8))
			for p := range img.Pix {
				img.Pix[p] = uint8(i * 40)
			}
			if err := png.Encode(f, img); err != nil {
				t.Fatal(err)
			}
		}
		if err := f.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// below returns the paths' parts inside a folder, with slashes.
func below(t *testing.T, dir string, files []string) (names []string) {
	t.Helper()
	for _, f := range files {
		rel, err := filepath.Rel(dir, f)
		if err != nil || strings.HasPrefix(rel, "..") {
			t.Fatalf("%s is not in %s", f, dir)
		}
		names = append(names, filepath.ToSlash(rel))
	}
	return names
}

func TestList(t *testing.T) {
	dir := folder(t, "b.png", "a/z.JPG", "a/y.jpeg", "c.ppm", "d.png.txt", ".png", "e")
	want := []string{".png", "a/y.jpeg", "a/z.JPG", "b.png"}
	files, err := List(dir)
	if got := below(t, dir, files); err != nil || !slices.Equal(got, want) {
		t.Errorf("%q, %v, want %q", got, err, want)
	}
	t.Run("a link", func(t *testing.T) {
		link := filepath.Join(t.TempDir(), "link")
		if err := os.Symlink(dir, link); err != nil {
			t.Skip(err)
		}
		files, err := List(link)
		if got := below(t, link, files); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q, %v, want %q", got, err, want)
		}
		if _, err := os.Stat(files[0]); err != nil {
			t.Error(err)
		}
	})
}

func TestListErrors(t *testing.T) {
	dir := folder(t, "notes.txt")
	tests := []struct{ path, want string }{
		{dir, "found no images"},
		{filepath.Join(dir, "notes.txt"), "found a file, expected a folder"},
		{filepath.Join(dir, "missing"), "missing"},
	}
	for _, tt := range tests {
		if _, err := List(tt.path); err == nil || !strings.Contains(err.Error(), tt.want) || !strings.Contains(err.Error(), tt.path) {
			t.Errorf("%s: %v, want %q and the path", tt.path, err, tt.want)
		}
	}
	if _, err := List(filepath.Join(dir, "missing")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a folder that is not there: %v", err)
	}
}

func TestSpread(t *testing.T) {
	tests := []struct {
		files, n int
		want     []int
	}{
		{0, 3, []int{}},
		{3, 3, []int{0, 1, 2}},
		{2, 9, []int{0, 1}},
		{6, 3, []int{0, 2, 4}},
		{7, 3, []int{0, 2, 4}},
		{1000, 4, []int{0, 250, 500, 750}},
	}
	for _, tt := range tests {
		all := make([]int, tt.files)
		for i := range all {
			all[i] = i
		}
		if got := Spread(all, tt.n); !slices.Equal(got, tt.want) {
			t.Errorf("%d of %d: %v, want %v", tt.n, tt.files, got, tt.want)
		}
	}
}

func TestSplit(t *testing.T) {
	batch := graph.Float32Tensor([]int{3, 1, 1, 2}, []float32{0, 1, 2, 3, 4, 5})
	all, err := Split(batch, 2)
	if err != nil || len(all) != 2 {
		t.Fatalf("%d images, %v, want 2", len(all), err)
	}
	for i, want := range [][]float32{{0, 1}, {2, 3}} {
		if !slices.Equal(all[i].Shape, []int{1, 1, 1, 2}) || !slices.Equal(all[i].Float32s(), want) {
			t.Errorf("image %d: %v %v, want %v", i, all[i].Shape, all[i].Float32s(), want)
		}
	}
	if !slices.Equal(batch.Shape, []int{3, 1, 1, 2}) {
		t.Errorf("the batch has the shape %v now", batch.Shape)
	}
	for name, bad := range map[string]*graph.Tensor{
		"a matrix":  graph.Float32Tensor([]int{2, 2}, make([]float32, 4)),
		"no images": graph.Float32Tensor([]int{0, 3, 2, 2}, nil),
		"float64":   graph.Float64Tensor([]int{1, 1, 1, 1}, []float64{1}),
	} {
		if _, err := Split(bad, 1); !errors.Is(err, graph.ErrShape) {
			t.Errorf("%s: %v, want graph.ErrShape", name, err)
		}
	}
}

// config leaves pixels as they are, 0..1.
var config = preprocess.Config{Height: 8, Width: 8, CropPct: 1, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}, Interpolation: "bicubic"}

func TestLoad(t *testing.T) {
	dir := folder(t, "0.png", "1.png", "2.png", "3.png", "4.png", "5.png")
	files, err := List(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, threads := range []int{0, 1, 3} {
		var calls []int
		out, err := Load(t.Context(), files, Input(config), threads, func(done, total int) {
			if total != len(files) {
				t.Errorf("total %d, want %d", total, len(files))
			}
			calls = append(calls, done)
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := []int{1, 2, 3, 4, 5, 6}; !slices.Equal(calls, want) {
			t.Errorf("%d threads: progress %v, want %v", threads, calls, want)
		}
		for i, x := range out {
			if !slices.Equal(x.Shape, []int{1, 3, 8, 8}) {
				t.Fatalf("shape %v", x.Shape)
			}
			// In the order of the files, whichever was read first.
			if got, want := x.Float32s()[0], float32(i*40)/255; got-want > 1e-6 || want-got > 1e-6 {
				t.Errorf("%d threads, image %d: %v, want %v", threads, i, got, want)
			}
		}
	}
}

// TestLoadWhole: the image is 8×8, and what it does not fill is zero.
func TestLoadWhole(t *testing.T) {
	fit := preprocess.Letterbox(8).Sized(8, 16)
	fit.Mean = []float64{0, 0, 0}
	file := filepath.Join(folder(t, "0.png", "1.png"), "1.png")
	out, err := Load(t.Context(), []string{file}, Whole(fit), 1, func(int, int) {})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(out[0].Shape, []int{1, 3, 8, 16}) || out[0].Float32s()[7] == 0 || out[0].Float32s()[8] != 0 {
		t.Errorf("shape %v, row %v", out[0].Shape, out[0].Float32s()[:16])
	}
	fit.Std = nil
	if _, err := Whole(fit)(file); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("preprocessing fails with %v, want an error that names the file", err)
	}
}

func TestLoadNamesTheFile(t *testing.T) {
	dir := folder(t, "good.png", "broken.jpg")
	missing := filepath.Join(dir, "missing.png")
	for _, bad := range []string{filepath.Join(dir, "broken.jpg"), missing} {
		_, err := Load(t.Context(), []string{filepath.Join(dir, "good.png"), bad}, Input(config), 1, func(int, int) {})
		if err == nil || !strings.Contains(err.Error(), bad) {
			t.Errorf("%v, want an error that names %s", err, bad)
		}
	}
	wrong := config
	wrong.Interpolation = "guessing"
	if _, err := Load(t.Context(), []string{filepath.Join(dir, "good.png")}, Input(wrong), 1, func(int, int) {}); err == nil || !strings.Contains(err.Error(), "good.png") {
		t.Errorf("preprocessing fails with %v, want an error that names the file", err)
	}
}

func TestLoadStops(t *testing.T) {
	dir := folder(t, "0.png", "1.png", "2.png", "3.png")
	files, err := List(dir)
	if err != nil {
		t.Fatal(err)
	}
	cancelled, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Load(cancelled, files, Input(config), 2, func(int, int) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled before: %v", err)
	}
	midway, cancel := context.WithCancel(t.Context())
	defer cancel()
	// Many files, so that some are left when the first is done.
	var many []string
	for range 500 {
		many = append(many, files...)
	}
	if _, err := Load(midway, many, Input(config), 1, func(int, int) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled midway: %v", err)
	}
}

// Of several files that can't be read, the first is named, though a later one fails before it.
func TestLoadNamesTheFirst(t *testing.T) {
	later := make(chan struct{})
	_, err := Load(t.Context(), []string{"a", "b", "c"}, func(file string) (*graph.Tensor, error) {
		switch file {
		case "b":
			<-later
		case "c":
			close(later)
		default:
			return graph.Float32Tensor([]int{1}, []float32{0}), nil
		}
		return nil, errors.New(file)
	}, 3, func(int, int) {})
	if err == nil || err.Error() != "b" {
		t.Errorf("found %v, expected b's error", err)
	}
}
