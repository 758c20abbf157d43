package preprocess

import (
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
)

func TestConfigJSON(t *testing.T) {
	c := ImageNet(224, 256, 0.95)
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"height":224,"width":256,"crop_pct":0.95,"mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225],"interpolation":"bicubic"}`
	if string(text) != want {
		t.Errorf("found %s, expected %s", text, want)
	}
	var d Config
	if err := json.Unmarshal(text, &d); err != nil || !reflect.DeepEqual(d, c) {
		t.Errorf("read back %v, %v", d, err)
	}
}

func TestValidate(t *testing.T) {
	if err := ImageNet(224, 224, 0.875).Validate(); err != nil {
		t.Error(err)
	}
	for name, change := range map[string]func(*Config){
		"height 0":                 func(c *Config) { c.Height = 0 },
		"width -1":                 func(c *Config) { c.Width = -1 },
		"width 16385":              func(c *Config) { c.Width = maxSide + 1 },
		"crop_pct 0":               func(c *Config) { c.CropPct = 0 },
		"crop_pct NaN":             func(c *Config) { c.CropPct = math.NaN() },
		"crop_pct 17":              func(c *Config) { c.CropPct = 17 },
		"mean NaN":                 func(c *Config) { c.Mean[1] = math.NaN() },
		"std 0":                    func(c *Config) { c.Std[2] = 0 },
		"std tiny":                 func(c *Config) { c.Std[2] = 1e-300 },
		"std infinite":             func(c *Config) { c.Std[2] = math.Inf(1) },
		"two channels":             func(c *Config) { c.Mean, c.Std = c.Mean[:2], c.Std[:2] },
		"no channels":              func(c *Config) { c.Mean, c.Std = nil, nil },
		"means without deviations": func(c *Config) { c.Std = c.Std[:1] },
		"no interpolation":         func(c *Config) { c.Interpolation = "" },
	} {
		c := ImageNet(224, 224, 0.875)
		change(&c)
		if err := c.Validate(); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: found error %v", name, err)
		}
		if _, err := c.Tensor(image.NewGray(image.Rect(0, 0, 1, 1))); !errors.Is(err, ErrConfig) {
			t.Errorf("%s: Tensor gives error %v", name, err)
		}
	}
}

func TestCrop(t *testing.T) {
	for _, c := range []struct {
		h, w   int // of the image
		config Config
		want   crop
	}{
		{480, 640, ImageNet(224, 224, 0.875), crop{256, 341, 16, 58}}, // 58.5 is rounded to even
		{640, 480, ImageNet(224, 224, 0.875), crop{341, 256, 58, 16}},
		{333, 500, ImageNet(224, 224, 0.95), crop{235, 352, 6, 64}},
		{224, 224, ImageNet(224, 224, 1), crop{224, 224, 0, 0}},
		{100, 100, ImageNet(21, 21, 1.5), crop{14, 14, -3, -3}},
		{100, 200, ImageNet(64, 128, 1), crop{64, 128, 0, 0}},
		{100, 100, ImageNet(64, 128, 1), crop{128, 128, 32, 0}},
		{100, 100, ImageNet(128, 64, 1), crop{128, 128, 0, 32}},
		{1, 60000000, ImageNet(224, 224, 1), crop{224, 224 * 60000000, 0, 224*30000000 - 112}},
	} {
		if got := c.config.crop(c.h, c.w); got != c.want {
			t.Errorf("%d×%d to %d×%d: found %+v, expected %+v", c.h, c.w, c.config.Height, c.config.Width, got, c.want)
		}
	}
}

// noise returns an image of random colours.
func noise(w, h int) *image.NRGBA {
	r := rand.New(rand.NewPCG(1, 2))
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for i := range m.Pix {
		m.Pix[i] = uint8(r.Uint32())
		if i%4 == 3 {
			m.Pix[i] = 255
		}
	}
	return m
}

// TestSources gives the same picture as every type of image, whole and as a part of a
// larger one.
func TestSources(t *testing.T) {
	base := noise(40, 30)
	gray := image.NewGray(base.Rect)
	palette := image.NewPaletted(base.Rect, nil)
	for i := range 256 {
		palette.Palette = append(palette.Palette, color.NRGBA{uint8(i), uint8(255 - i), 7, uint8(i)})
	}
	copy(palette.Pix, base.Pix)
	type setter interface {
		image.Image
		Set(x, y int, c color.Color)
	}
	fill := func(m setter) image.Image {
		for y := range 30 {
			for x := range 40 {
				m.Set(x, y, base.At(x, y))
			}
		}
		return m
	}
	fill(gray)
	c := ImageNet(16, 16, 0.875)
	levels := func(m image.Image) []uint8 { return c.levels(m) }
	want := levels(base)
	for name, m := range map[string]image.Image{
		"RGBA":    fill(image.NewRGBA(base.Rect)),
		"RGBA64":  fill(image.NewRGBA64(base.Rect)),
		"NRGBA64": fill(image.NewNRGBA64(base.Rect)),
		"any":     struct{ image.Image }{base},
	} {
		if !slices.Equal(levels(m), want) {
			t.Errorf("%s differs from NRGBA", name)
		}
	}
	if got := levels(fill(image.NewGray16(base.Rect))); !slices.Equal(got, levels(struct{ image.Image }{fill(image.NewGray16(base.Rect))})) {
		t.Error("Gray16 differs from itself")
	}
	ycc := image.NewYCbCr(base.Rect, image.YCbCrSubsampleRatio444)
	copy(ycc.Y, gray.Pix)
	for i := range ycc.Cb {
		ycc.Cb[i], ycc.Cr[i] = 128, 128
	}
	for name, m := range map[string]image.Image{"YCbCr": ycc, "any": struct{ image.Image }{gray}} {
		if !slices.Equal(levels(m), levels(gray)) {
			t.Errorf("gray as %s differs from Gray", name)
		}
	}
	if !slices.Equal(levels(palette), levels(struct{ image.Image }{palette})) {
		t.Error("Paletted differs from its colours")
	}
	part := image.Rect(6, 4, 33, 25)
	for _, ratio := range []image.YCbCrSubsampleRatio{image.YCbCrSubsampleRatio444, image.YCbCrSubsampleRatio422, image.YCbCrSubsampleRatio420,
		image.YCbCrSubsampleRatio440, image.YCbCrSubsampleRatio411, image.YCbCrSubsampleRatio410} {
		m := image.NewYCbCr(base.Rect, ratio)
		for i := range m.Y {
			m.Y[i] = gray.Pix[i]
		}
		for i := range m.Cb {
			m.Cb[i], m.Cr[i] = 90, 150 // the same everywhere: interpolation changes nothing
		}
		flat := image.NewYCbCr(base.Rect, image.YCbCrSubsampleRatio444)
		copy(flat.Y, m.Y)
		for i := range flat.Cb {
			flat.Cb[i], flat.Cr[i] = 90, 150
		}
		for _, r := range []image.Rectangle{base.Rect, part, image.Rect(7, 5, 34, 26), image.Rect(39, 29, 40, 30)} {
			if !slices.Equal(levels(m.SubImage(r)), levels(flat.SubImage(r))) {
				t.Errorf("%v of %v differs from full resolution", r, ratio)
			}
		}
	}
	moved := image.NewNRGBA(part.Sub(part.Min))
	for y := range moved.Rect.Dy() {
		for x := range moved.Rect.Dx() {
			moved.Set(x, y, base.At(x+part.Min.X, y+part.Min.Y))
		}
	}
	if !slices.Equal(levels(base.SubImage(part)), levels(moved)) {
		t.Error("a part of an image differs from its copy")
	}
}

// TestFancyUpsampling compares with libjpeg's formulas on a row (jdsample.c).
func TestFancyUpsampling(t *testing.T) {
	m := image.NewYCbCr(image.Rect(0, 0, 7, 1), image.YCbCrSubsampleRatio422)
	copy(m.Cb, []uint8{10, 50, 200, 90})
	s := newYCbCr(m).(ycbcr)
	got := make([]uint8, 8)
	s.chroma(got, m.Cb, make([]int32, 4), 0, 0, 7)
	if want := []uint8{10, 20, 40, 88, 162, 173, 117, 90}; !slices.Equal(got, want) {
		t.Errorf("found %v, expected %v", got, want)
	}
}

func TestTapsSumToOne(t *testing.T) {
	for name, f := range filters {
		for _, c := range [][2]int64{{1, 1}, {1, 300}, {300, 1}, {97, 31}, {31, 97}, {8191, 256}} {
			for i, tap := range f.taps(int(c[0]), c[1], 0, c[1]) {
				sum := 0
				for _, k := range tap.coeffs {
					sum += int(k)
				}
				if d := sum - 1<<precision; tap.first < 0 || tap.first+len(tap.coeffs) > int(c[0]) || max(d, -d) > len(tap.coeffs) {
					t.Errorf("%s, %d to %d, sample %d: from %d, %d coefficients with sum %d", name, c[0], c[1], i, tap.first, len(tap.coeffs), sum)
				}
			}
		}
	}
}

// TestParallel compares one band with many.
func TestParallel(t *testing.T) {
	m := noise(800, 600)
	c := ImageNet(50, 50, 0.875)
	whole := c.levels(m)
	r := c.crop(600, 800)
	f := filters[Bicubic]
	cols, rows := f.taps(800, r.width, r.left, r.left+50), f.taps(600, r.height, r.top, r.top+50)
	// Single pixels of the target, each on its own, are small enough for one core.
	for _, p := range [][2]int{{0, 0}, {49, 49}, {17, 31}, {49, 0}} {
		one := resample(newSource(m), 3, cols[p[0]:p[0]+1], rows[p[1]:p[1]+1])
		if want := whole[3*(50*p[1]+p[0]):][:3]; !slices.Equal(one, want) {
			t.Errorf("pixel %v: %v alone, %v in the whole", p, one, want)
		}
	}
}

func TestInto(t *testing.T) {
	c := ImageNet(8, 8, 1)
	m := noise(20, 10)
	x, err := c.Tensor(m)
	if err != nil {
		t.Fatal(err)
	}
	v := make([]float32, 3*64)
	if err := c.Into(v, m); err != nil || !slices.Equal(v, x.Float32s()) {
		t.Errorf("Into differs from Tensor: %v", err)
	}
	if err := c.Into(v[1:], m); !errors.Is(err, graph.ErrShape) {
		t.Errorf("short destination: %v", err)
	}
	if err := c.Into(v, image.NewGray(image.Rectangle{})); !errors.Is(err, ErrImage) {
		t.Errorf("image without pixels: %v", err)
	}
	if err := c.Into(v, image.NewUniform(color.White)); !errors.Is(err, ErrTooLarge) {
		t.Errorf("endless image: %v", err)
	}
}

func encodePNG(t testing.TB, m image.Image) []byte {
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func encodeJPEG(t testing.TB, m image.Image) []byte {
	var b bytes.Buffer
	if err := jpeg.Encode(&b, m, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// resized changes the size that a PNG file's header states.
func resized(data []byte, w, h uint32) []byte {
	data = slices.Clone(data)
	put := func(at int, v uint32) { copy(data[at:], []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)}) }
	put(16, w)
	put(20, h)
	put(29, crc32.ChecksumIEEE(data[12:29]))
	return data
}

func TestDecode(t *testing.T) {
	m := noise(31, 17)
	for name, data := range map[string][]byte{"png": encodePNG(t, m), "jpeg": encodeJPEG(t, m)} {
		img, err := Decode(bytes.NewReader(data))
		if err != nil || img.Bounds().Dx() != 31 || img.Bounds().Dy() != 17 {
			t.Errorf("%s: found %v, %v", name, img, err)
		}
	}
}

func TestDecodeErrors(t *testing.T) {
	file := encodePNG(t, noise(31, 17))
	photo := encodeJPEG(t, noise(31, 17))
	sof := bytes.Index(photo, []byte{0xff, 0xc0})
	large := slices.Clone(photo)
	copy(large[sof+5:], []byte{0xff, 0xff, 0xff, 0xff})
	wide := slices.Clone(photo)
	copy(wide[sof+5:], []byte{0x1f, 0xff, 0x1f, 0xff})
	scans := append(slices.Clone(photo), bytes.Repeat([]byte{0xff, 0xda}, maxScans)...)
	scans[sof+1] = 0xc2
	for _, c := range []struct {
		name string
		data []byte
		want []error
		text string
	}{
		{"nothing", nil, []error{ErrFormat}, "none of PNG, JPEG, WebP, BMP, GIF and TIFF: found an empty file"},
		{"gif cut off", []byte("GIF89a"), nil, "gif: "},
		{"webp cut off", []byte("RIFF\x04\x00\x00\x00WEBP"), nil, "webp: "},
		{"animated webp", webpOf("VP8X", "\x02\x00\x00\x00\x09\x00\x00\x09\x00\x00", "ANIM", "abcdef"), []error{ErrFormat}, "found an animated WebP"},
		{"webp of 16384×16384", webpOf("VP8X", "\x10\x00\x00\x00\xff\x3f\x00\xff\x3f\x00", "ALPH", "a"), []error{ErrTooLarge}, "expected at most 67108864"},
		{"webp of 8192×8192", webpOf("VP8X", "\x10\x00\x00\x00\xff\x1f\x00\xff\x1f\x00", "ALPH", "a"), []error{ErrTooLarge}, "for a file of"},
		{"gif of 65535×65535", []byte("GIF89a\xff\xff\xff\xff\x00\x00\x00"), []error{ErrTooLarge}, "expected at most 67108864"},
		{"gif of 8191×8191", []byte("GIF89a\xff\x1f\xff\x1f\x00\x00\x00"), []error{ErrTooLarge}, "for a file of"},
		{"gif without pictures", []byte("GIF89a\x01\x00\x01\x00\x00\x00\x00;"), nil, "gif: "},
		{"bmp cut off", []byte("BM"), []error{io.ErrUnexpectedEOF}, ""},
		{"sound", []byte("RIFF\x04\x00\x00\x00WAVE"), []error{ErrFormat}, "found bytes 52 49 46 46 04 00 00 00"},
		{"tiff cut off", []byte("MM\x00*"), []error{io.ErrUnexpectedEOF}, ""},
		{"tiff without pictures", tiffOf(binary.LittleEndian, "II", 1), nil, "tiff: "},
		{"text", []byte("<html>"), []error{ErrFormat}, "found bytes 3c 68 74 6d 6c 3e"},
		{"png cut off", file[:len(file)-20], nil, "EOF"},
		{"png header cut off", file[:20], []error{io.ErrUnexpectedEOF}, ""},
		{"jpeg cut off", photo[:len(photo)/2], []error{io.ErrUnexpectedEOF}, ""},
		{"png of 2³¹−1 pixels a side", resized(file, 1<<31-1, 1<<31-1), nil, ""},
		{"png of 65536×65536", resized(file, 1<<16, 1<<16), []error{ErrTooLarge}, "expected at most 67108864"},
		{"png of 8192×8192", resized(file, 1<<13, 1<<13), []error{ErrTooLarge}, "for a file of"},
		{"jpeg of 65535×65535", large, []error{ErrTooLarge}, "expected at most 67108864"},
		{"jpeg of 8191×8191", wide, []error{ErrTooLarge}, "for a file of"},
		{"jpeg of many scans", scans, []error{ErrTooLarge}, "101 scans"},
	} {
		_, err := Decode(bytes.NewReader(c.data))
		if !errors.Is(err, ErrImage) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: found error %v", c.name, err)
		}
		for _, w := range c.want {
			if !errors.Is(err, w) {
				t.Errorf("%s: found error %v, expected %v", c.name, err, w)
			}
		}
	}
	if _, err := Open(filepath.Join(t.TempDir(), "none.png")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
}

func FuzzDecode(f *testing.F) {
	m := noise(9, 7)
	f.Add(encodePNG(f, m))
	f.Add(encodeJPEG(f, m))
	gray := image.NewGray(image.Rect(0, 0, 5, 5))
	for _, ext := range Extensions()[3:] {
		files, err := filepath.Glob("testdata/*" + ext)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Add(encodePNG(f, gray))
	f.Add(encodeJPEG(f, gray))
	c := ImageNet(8, 8, 0.875)
	f.Fuzz(func(t *testing.T, data []byte) {
		img, err := Decode(bytes.NewReader(data))
		if err != nil {
			if !errors.Is(err, ErrImage) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		if _, err := c.Tensor(img); err != nil {
			t.Fatal(err)
		}
	})
}

func BenchmarkTensor(b *testing.B) {
	photo := image.NewYCbCr(image.Rect(0, 0, 4000, 3000), image.YCbCrSubsampleRatio420)
	for i := range photo.Y {
		photo.Y[i] = uint8(i)
	}
	for _, c := range []struct {
		name   string
		img    image.Image
		config Config
	}{
		{"64x64", noise(64, 64), ImageNet(64, 64, 1)},
		{"64x64to224", noise(64, 64), ImageNet(224, 224, 0.875)},
		{"640x480", noise(640, 480), ImageNet(224, 224, 0.875)},
		{"12Mpx", photo, ImageNet(224, 224, 0.875)},
	} {
		dst := make([]float32, 3*c.config.Height*c.config.Width)
		b.Run(c.name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				if err := c.config.Into(dst, c.img); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func TestFor(t *testing.T) {
	plain := func(mean, std []float64) Config { return Config{Mean: mean, Std: std} }
	for name, c := range map[string]struct {
		config   Config
		channels int
		want     Config
		bad      string // part of the error
	}{
		"ImageNet":         {ImageNet(1, 1, 1), 3, ImageNet(1, 1, 1), ""},
		"nothing said":     {plain(nil, nil), 3, plain(imageNetMean, imageNetStd), ""},
		"one for three":    {plain([]float64{0.5}, []float64{0.25}), 3, plain([]float64{0.5, 0.5, 0.5}, []float64{0.25, 0.25, 0.25}), ""},
		"one for one":      {plain([]float64{0.5}, []float64{0.25}), 1, plain([]float64{0.5}, []float64{0.25}), ""},
		"mixed":            {plain([]float64{0.5}, []float64{1, 2, 3, 4}), 4, plain([]float64{0.5, 0.5, 0.5, 0.5}, []float64{1, 2, 3, 4}), ""},
		"a mean alone":     {plain([]float64{0.5}, nil), 3, plain([]float64{0.5, 0.5, 0.5}, imageNetStd), ""},
		"nothing for one":  {plain(nil, nil), 1, Config{}, "found no mean for the network's input of 1 channels"},
		"no std for four":  {plain([]float64{0.5}, nil), 4, Config{}, "found no std"},
		"three for four":   {plain([]float64{1, 2, 3}, []float64{0.25}), 4, Config{}, "found a mean of 3 numbers for the network's input of 4 channels, expected one or 4"},
		"four for three":   {plain([]float64{1}, []float64{1, 2, 3, 4}), 3, Config{}, "found a std of 4 numbers"},
		"ImageNet for one": {ImageNet(1, 1, 1), 1, Config{}, "found a mean of 3 numbers"},
	} {
		got, err := c.config.For(c.channels)
		if c.bad != "" {
			if !errors.Is(err, ErrConfig) || !strings.Contains(err.Error(), c.bad) {
				t.Errorf("%s: %v, expected %q", name, err, c.bad)
			}
		} else if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %v, %v, expected %v", name, got, err, c.want)
		}
	}
}

// TestEndlessNearest scales an image that is too long for positions to be added up.
func TestEndlessNearest(t *testing.T) {
	c := ImageNet(224, 224, 1)
	c.Interpolation = Nearest
	m := image.NewGray(image.Rect(0, 0, 60000000, 1))
	m.Pix[30000000] = 255
	got := c.levels(m)
	if got[3*112] != 255 || got[3*111] != 0 {
		t.Errorf("found %d and %d around the middle, expected 0 and 255", got[3*111], got[3*112])
	}
}

// TestDecodeContext ends with the context, before and while an image is decoded.
func TestDecodeContext(t *testing.T) {
	for name, data := range map[string][]byte{"png": encodePNG(t, noise(300, 200)), "jpeg": encodeJPEG(t, noise(300, 200))} {
		ctx, cancel := context.WithCancel(t.Context())
		img, err := DecodeContext(ctx, data)
		if err != nil || img.Bounds().Dx() != 300 {
			t.Errorf("%s: %v", name, err)
		}
		cancel()
		if _, err := DecodeContext(ctx, data); !errors.Is(err, context.Canceled) || errors.Is(err, ErrImage) {
			t.Errorf("%s, cancelled: %v", name, err)
		}
		late, err := DecodeContext(&countdown{Context: t.Context(), left: 3}, data)
		if !errors.Is(err, context.Canceled) || late != nil {
			t.Errorf("%s, cancelled while it is decoded: %v", name, err)
		}
	}
}

// countdown is a context that is cancelled once it was asked some times.
type countdown struct {
	context.Context
	left int
}

func (c *countdown) Err() error {
	if c.left--; c.left < 0 {
		return context.Canceled
	}
	return nil
}
