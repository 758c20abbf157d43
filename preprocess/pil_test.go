package preprocess_test

import (
	"cmp"
	"image"
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
	how := func(c preprocess.Config, interpolation string) preprocess.Config {
		c.Interpolation = interpolation
		return c
	}
	// of n channels with mean 0.5 and deviation 0.25
	plain := func(c preprocess.Config, n int) preprocess.Config {
		c.Mean, c.Std = slices.Repeat([]float64{0.5}, n), slices.Repeat([]float64{0.25}, n)
		return c
	}
	gray, rgba := plain(square(24, 0.875), 1), plain(square(24, 0.875), 4)
	type test struct {
		file   string
		config preprocess.Config
		levels float64 // of 255
		result string  // where it is another than the file's
	}
	tests := []test{
		{"landscape.png", square(24, 0.875), 0, ""},
		{"portrait.png", square(24, 0.95), 0, ""},
		{"enlarged.png", square(24, 0.875), 0, ""},
		{"line.png", square(24, 1), 0, ""},
		{"same.png", square(24, 1), 0, ""},
		{"padded.png", square(21, 1.5), 0, ""},
		{"wide.png", preprocess.ImageNet(16, 31, 0.875), 0, ""},
		{"high.png", preprocess.ImageNet(31, 16, 0.95), 0, ""},
		{"bilinear.png", how(square(24, 0.875), preprocess.Bilinear), 0, ""},
		{"gray.png", square(24, 0.875), 0, ""},
		{"bits.png", square(24, 0.875), 0, ""},
		{"rgba.png", square(24, 0.875), 0, ""},
		{"la.png", square(24, 0.875), 0, ""},
		{"palette.png", square(24, 0.875), 0, ""},
		{"444.jpg", square(24, 0.875), 3, ""},
		{"422.jpg", square(24, 0.875), 3, ""},
		{"420.jpg", square(24, 0.875), 3, ""},
		{"progressive.jpg", square(24, 0.875), 3, ""},
		{"gray.jpg", square(24, 0.875), 2, ""},
		{"cmyk.jpg", square(24, 0.875), 2, ""},
		{"landscape.png", how(square(24, 0.875), preprocess.Nearest), 0, "nearest.landscape"},
		{"enlarged.png", how(square(24, 0.875), preprocess.Nearest), 0, "nearest.enlarged"},
		{"padded.png", how(square(21, 1.5), preprocess.Nearest), 0, "nearest.padded"},
		{"landscape.png", how(gray, preprocess.Bilinear), 0, "L.bilinear"},
		{"landscape.png", how(gray, preprocess.Nearest), 0, "L.nearest"},
		{"transparent.png", rgba, 0, "transparent.png"},
		{"rgba.png", how(rgba, preprocess.Bilinear), 0, "RGBA.bilinear"},
		{"rgba.png", how(rgba, preprocess.Nearest), 0, "RGBA.nearest"},
		{"rgba.png", plain(square(21, 1.5), 4), 0, "RGBA.padded"},
		{"same.rgba.png", plain(square(24, 1), 4), 0, "same.rgba.png"},
	}
	for name, levels := range map[string]float64{"landscape.png": 0, "gray.png": 0, "rgba.png": 0, "la.png": 0, "palette.png": 0, "bits.png": 0, "420.jpg": 3, "gray.jpg": 2, "cmyk.jpg": 2} {
		tests = append(tests, test{name, gray, levels, "L." + name})
		if name != "bits.png" {
			tests = append(tests, test{name, rgba, levels, "RGBA." + name})
		}
	}
	for _, c := range tests {
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
		data, err := os.ReadFile(filepath.Join("testdata", cmp.Or(c.result, c.file)) + ".npy")
		if err != nil {
			t.Fatal(err)
		}
		want, err := npy.Read(data)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(got.Shape[1:], want.Shape) {
			t.Errorf("%s %s: shape %v, expected %v", c.file, c.result, got.Shape[1:], want.Shape)
			continue
		}
		worst := 0.0
		w := want.Float32s()
		plane := len(w) / c.config.Channels()
		for i, v := range got.Float32s() {
			worst = max(worst, math.Abs(float64(v-w[i]))*c.config.Std[i/plane]*255)
		}
		if worst > c.levels+1e-4*min(c.levels, 1) {
			t.Errorf("%s %s: %.3f levels from PIL, expected at most %g", c.file, c.result, worst, c.levels)
		}
		t.Logf("%s %s: %.3f levels", c.file, c.result, worst)
	}
}

// TestFormats compares with the pixels that PIL reads in formats beside PNG and JPEG, without and with
// alpha; see testdata/README.md.
func TestFormats(t *testing.T) {
	var files []string
	for _, ext := range []string{"webp", "bmp", "gif", "tif"} {
		some, err := filepath.Glob("testdata/*." + ext)
		if err != nil || len(some) < 3 {
			t.Fatalf("found %d files of %s, %v", len(some), ext, err)
		}
		files = append(files, some...)
	}
	for _, file := range files {
		for _, open := range []func(string) (image.Image, error){preprocess.Open, preprocess.OpenUpright} {
			img, err := open(file)
			if err != nil {
				t.Errorf("%s: %v", file, err)
				continue
			}
			data, err := os.ReadFile(file + ".npy")
			if err != nil {
				t.Fatal(err)
			}
			want, err := npy.Read(data)
			if err != nil {
				t.Fatal(err)
			}
			height, width := want.Shape[0], want.Shape[1]
			if b := img.Bounds(); b.Dx() != width || b.Dy() != height {
				t.Errorf("%s: found %v, expected %d×%d", file, b, width, height)
				continue
			}
			c := preprocess.Config{Height: height, Width: width, CropPct: 1, Interpolation: preprocess.Nearest, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}}
			rgb := levels(t, c, img)
			c.Mean, c.Std = []float64{0, 0, 0, 0}, []float64{1, 1, 1, 1}
			rgba := levels(t, c, img)
			plane := height * width
			for i, w := range want.Bytes() {
				channel, at := i%4, i/4
				got := rgba[channel*plane+at]
				if channel < 3 {
					got = rgb[channel*plane+at]
				}
				if got != w {
					t.Errorf("%s: found %d in channel %d of pixel %d,%d, expected %d", file, got, channel, at%width, at/width, w)
					break
				}
			}
		}
	}
}

// levels are the bytes of an image's pixels, channel by channel.
func levels(t *testing.T, c preprocess.Config, img image.Image) []uint8 {
	t.Helper()
	x, err := c.Tensor(img)
	if err != nil {
		t.Fatal(err)
	}
	all := make([]uint8, x.Len())
	for i, v := range x.Float32s() {
		all[i] = uint8(math.Round(float64(v) * 255))
	}
	return all
}
