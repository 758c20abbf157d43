package preprocess_test

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/preprocess"
)

// TestPIL compares with what PIL and torchvision made of the same files; see
// testdata/README.md. PNG files must give the same bits.
func TestPIL(t *testing.T) {
	square := func(n int, pct float64) preprocess.Config { return preprocess.ImageNet(n, n, pct) }
	bilinear := square(24, 0.875)
	bilinear.Interpolation = preprocess.Bilinear
	for _, c := range []struct {
		file   string
		config preprocess.Config
		levels float64 // of 255
	}{
		{"landscape.png", square(24, 0.875), 0},
		{"portrait.png", square(24, 0.95), 0},
		{"enlarged.png", square(24, 0.875), 0},
		{"line.png", square(24, 1), 0},
		{"same.png", square(24, 1), 0},
		{"padded.png", square(21, 1.5), 0},
		{"wide.png", preprocess.ImageNet(16, 31, 0.875), 0},
		{"high.png", preprocess.ImageNet(31, 16, 0.95), 0},
		{"bilinear.png", bilinear, 0},
		{"gray.png", square(24, 0.875), 0},
		{"bits.png", square(24, 0.875), 0},
		{"rgba.png", square(24, 0.875), 0},
		{"la.png", square(24, 0.875), 0},
		{"palette.png", square(24, 0.875), 0},
		{"444.jpg", square(24, 0.875), 3},
		{"422.jpg", square(24, 0.875), 3},
		{"420.jpg", square(24, 0.875), 3},
		{"progressive.jpg", square(24, 0.875), 3},
		{"gray.jpg", square(24, 0.875), 2},
		{"cmyk.jpg", square(24, 0.875), 2},
	} {
		path := filepath.Join("testdata", c.file)
		img, err := preprocess.Open(path)
		if err != nil {
			t.Error(err)
			continue
		}
		got, err := c.config.Tensor(img)
		if err != nil {
			t.Errorf("%s: %v", c.file, err)
			continue
		}
		data, err := os.ReadFile(path + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		want, err := npy.Read(data)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Shape[1:], want.Shape) {
			t.Errorf("%s: shape %v, expected %v", c.file, got.Shape[1:], want.Shape)
			continue
		}
		worst := 0.0
		w := want.Float32s()
		plane := len(w) / 3
		for i, v := range got.Float32s() {
			worst = max(worst, math.Abs(float64(v-w[i]))*c.config.Std[i/plane]*255)
		}
		if worst > c.levels+1e-4*min(c.levels, 1) {
			t.Errorf("%s: %.3f levels from PIL, expected at most %g", c.file, worst, c.levels)
		}
		t.Logf("%s: %.3f levels", c.file, worst)
	}
}
