package evaluate

import (
	"bytes"
	"compress/zlib"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"hash/crc32"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/preprocess"
)

// TestSegmentation computes figures by hand.
func TestSegmentation(t *testing.T) {
	s, err := NewSegmentation(5)
	if err != nil {
		t.Fatal(err)
	}
	// truth 0: 3 pixels, 2 of them found; truth 1: 2, 1 found; 2 is only ever predicted; 3 is only
	// in the labels; 4 is nowhere. One pixel does not count.
	if err := s.Add([]int64{0, 0, 1, 1}, &LabelImage{2, 2, []uint8{0, 0, 0, 1}}); err != nil {
		t.Fatal(err)
	}
	if err := s.Add([]int64{2, 0, 4}, &LabelImage{1, 3, []uint8{1, 3, Ignored}}); err != nil {
		t.Fatal(err)
	}
	nan := math.NaN()
	got := s.Result([]string{"sky", "sea"})
	want := []ClassIoU{{"sky", 2. / 4, 2. / 3}, {"sea", 1. / 3, 1. / 2}, {"", 0, nan}, {"", 0, 0}, {"", nan, nan}}
	for i, c := range got.Classes {
		same := func(a, b float64) bool { return a == b || math.IsNaN(a) && math.IsNaN(b) }
		if w := want[i]; c.Name != w.Name || !same(c.IoU, w.IoU) || !same(c.Accuracy, w.Accuracy) {
			t.Errorf("class %d: found %+v, expected %+v", i, c, w)
		}
	}
	if want := (1./2 + 1./3) / 4; got.Images != 2 || math.Abs(got.MIoU-want) > 1e-15 || got.PixelAccuracy != 3./6 || len(got.Classes) != 5 {
		t.Errorf("found %+v, expected mIoU %v, pixel accuracy 0.5", got, want)
	}
	text, err := json.Marshal(got)
	const told = `{"images":2,"miou":0.20833333333333331,"pixel_accuracy":0.5,"classes":[{"class":0,"name":"sky","iou":0.5,"accuracy":0.6666666666666666},` +
		`{"class":1,"name":"sea","iou":0.3333333333333333,"accuracy":0.5},{"class":2,"iou":0,"accuracy":null},{"class":3,"iou":0,"accuracy":0},{"class":4,"iou":null,"accuracy":null}]}`
	if err != nil || string(text) != told {
		t.Errorf("found %s, %v, expected %s", text, err, told)
	}
	for name, c := range map[string]struct {
		got  []int64
		want LabelImage
		err  error
		text string
	}{
		"too few":          {[]int64{0}, LabelImage{1, 2, []uint8{0, 0}}, graph.ErrShape, "classes of 1 pixels for labels of 1×2"},
		"a label":          {[]int64{0, 0}, LabelImage{2, 1, []uint8{0, 5}}, ErrLabels, "the label 5 at row 1, column 0, expected one below 5"},
		"a class":          {[]int64{0, 5}, LabelImage{1, 2, []uint8{0, 0}}, graph.ErrShape, "the network's class 5 at row 0, column 1"},
		"a negative class": {[]int64{0, -1}, LabelImage{1, 2, []uint8{0, 0}}, graph.ErrShape, "the network's class -1"},
	} {
		if err := s.Add(c.got, &c.want); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, expected %q", name, err, c.text)
		}
	}
	if again := s.Result(nil); again.Images != 2 || again.PixelAccuracy != .5 {
		t.Errorf("images that were refused count: %+v", again)
	}
	other, err := NewSegmentation(4)
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Merge(other); !errors.Is(err, graph.ErrShape) {
		t.Errorf("other classes: %v", err)
	}
	if r := other.Result(nil); !math.IsNaN(r.MIoU) || !math.IsNaN(r.PixelAccuracy) {
		t.Errorf("no images: found %+v", r)
	}
	for _, n := range []int{-1, 0, 256} {
		if _, err := NewSegmentation(n); !errors.Is(err, graph.ErrUnsupported) {
			t.Errorf("%d classes: %v", n, err)
		}
	}
}

func TestMergeSegmentation(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	fresh := func() *Segmentation {
		s, err := NewSegmentation(6)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	whole, parts := fresh(), fresh()
	for range 5 {
		part := fresh()
		for range rng.IntN(4) {
			got, want := make([]int64, 20), &LabelImage{4, 5, make([]uint8, 20)}
			for i := range got {
				got[i], want.Labels[i] = rng.Int64N(6), uint8(rng.IntN(6))
			}
			if err := errors.Join(whole.Add(got, want), part.Add(got, want)); err != nil {
				t.Fatal(err)
			}
		}
		if err := parts.Merge(part); err != nil {
			t.Fatal(err)
		}
	}
	if !reflect.DeepEqual(whole, parts) || whole.Images == 0 {
		t.Errorf("found %+v, expected %+v", parts, whole)
	}
}

func encode(t testing.TB, m image.Image) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// labelled makes a label image whose palette has the same colour twice.
func labelled(labels ...uint8) *image.Paletted {
	m := image.NewPaletted(image.Rect(0, 0, len(labels)/2, 2), color.Palette{color.Black, color.White, color.White, color.Black, color.NRGBA{1, 2, 3, 0}})
	copy(m.Pix, labels)
	return m
}

// chunk makes a PNG file's chunk of its type and content.
func chunk(text string) []byte {
	b := append(binary.BigEndian.AppendUint32(nil, uint32(len(text)-4)), text...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE([]byte(text)))
}

// fourBits makes a PNG file of two pixels in gray of 4 bits.
func fourBits(t *testing.T) []byte {
	t.Helper()
	var pixels bytes.Buffer
	z := zlib.NewWriter(&pixels)
	if _, err := z.Write([]byte{0, 0x1f}); err != nil {
		t.Fatal(err)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return slices.Concat([]byte("\x89PNG\r\n\x1a\n"), chunk("IHDR\x00\x00\x00\x02\x00\x00\x00\x01\x04\x00\x00\x00\x00"), chunk("IDAT"+pixels.String()), chunk("IEND"))
}

func TestDecodeLabelImage(t *testing.T) {
	labels := []uint8{4, 1, 2, 3, 0, 4}
	gray := image.NewGray(image.Rect(0, 0, 3, 2))
	copy(gray.Pix, []uint8{0, 7, 255, 1, 2, 254})
	transparent := encode(t, gray) // with a chunk tRNS for the level 7
	transparent = slices.Concat(transparent[:33], chunk("tRNS\x00\x07"), transparent[33:])
	for name, c := range map[string]struct {
		data []byte
		want []uint8
	}{
		"palette":                {encode(t, labelled(labels...)), labels},
		"gray":                   {encode(t, gray), gray.Pix},
		"gray and a transparent": {transparent, gray.Pix},
	} {
		m, err := DecodeLabelImage(c.data)
		if err != nil || m.Height != 2 || m.Width != 3 || !slices.Equal(m.Labels, c.want) {
			t.Errorf("%s: found %+v, %v, expected %v", name, m, err, c.want)
		}
	}
	var photo bytes.Buffer
	if err := jpeg.Encode(&photo, gray, nil); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		data []byte
		err  error
		text string
	}{
		"16 bits":     {encode(t, image.NewGray16(image.Rect(0, 0, 1, 1))), graph.ErrUnsupported, "unsupported: a label image of 16-bit gray, expected a PNG file of 8-bit gray or with a palette"},
		"RGB":         {encode(t, image.NewRGBA(image.Rect(0, 0, 1, 1))), graph.ErrUnsupported, "RGBA, expected"},
		"opaque":      {encode(t, &image.RGBA{Pix: []uint8{1, 1, 1, 255}, Stride: 4, Rect: image.Rect(0, 0, 1, 1)}), graph.ErrUnsupported, "8-bit RGB, expected"},
		"JPEG":        {photo.Bytes(), graph.ErrUnsupported, "JPEG, which changes labels"},
		"no image":    {[]byte("x"), preprocess.ErrImage, "none of PNG, JPEG, WebP, BMP, GIF and TIFF"},
		"cut off":     {encode(t, gray)[:50], preprocess.ErrImage, ""},
		"4-bit gray":  {fourBits(t), graph.ErrUnsupported, "4-bit gray, expected"},
		"other bytes": {nil, preprocess.ErrImage, ""},
	} {
		_, err := DecodeLabelImage(c.data)
		if err == nil || c.err != nil && !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, expected %q", name, err, c.text)
		}
	}
	if _, err := ReadLabelImage(filepath.Join(t.TempDir(), "none.png")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
}

func TestReduceZeroLabel(t *testing.T) {
	m := &LabelImage{1, 5, []uint8{0, 1, 150, 254, Ignored}}
	m.ReduceZeroLabel()
	if want := []uint8{Ignored, 0, 149, 253, Ignored}; !slices.Equal(m.Labels, want) {
		t.Errorf("found %v, expected %v", m.Labels, want)
	}
}

// TestRunSegmentation runs a network that tells red from green.
func TestRunSegmentation(t *testing.T) {
	dir, masks := t.TempDir(), t.TempDir()
	paint(t, dir, map[string]color.Color{"a.png": color.RGBA{255, 0, 0, 255}, "b.PNG": color.RGBA{0, 255, 0, 255}})
	write := func(name string, m image.Image) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(masks, name), encode(t, m), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	write("a.png", labelled(1, 1, 1, 0))
	steps := 0
	o := SegmentationImages{Dir: dir, Masks: masks, Classes: 2, Progress: func(done, total int) { steps += 10*done + total }}
	o.Segment = func(_ context.Context, img image.Image) ([]int64, error) {
		if r, _, _, _ := img.At(0, 0).RGBA(); r > 0 {
			return []int64{1, 1, 1, 1}, nil
		}
		return []int64{0, 0, 0, 0}, nil
	}
	fails := func(name, text string, want error) {
		t.Helper()
		if _, err := RunSegmentation(t.Context(), o); !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, expected %q", name, err, text)
		}
	}
	fails("no label image", "b.png", os.ErrNotExist)
	write("b.png", labelled(0, 0, 0, 0, 0, 0))
	fails("another size", "b.PNG: shapes do not fit: found 2×2 pixels, expected 2×3 as in its label image b.png", graph.ErrShape)
	write("b.png", labelled(0, 0, 0, 4))
	fails("a label", "b.PNG: malformed labels: found the label 4", ErrLabels)
	write("b.png", labelled(0, 0, 0, 0))
	steps = 0
	if r, err := RunSegmentation(t.Context(), o); err != nil || r.Images != 2 || r.PixelAccuracy != 7./8 || math.Abs(r.MIoU-(4./5+3./4)/2) > 1e-15 || steps != 34 {
		t.Errorf("found %+v, %v after %d", r, err, steps)
	}
	o.ReduceZeroLabel = true
	write("a.png", labelled(2, 2, 2, 0))
	write("b.png", labelled(1, 1, 0, 1))
	if r, err := RunSegmentation(t.Context(), o); err != nil || r.PixelAccuracy != 1 || r.MIoU != 1 {
		t.Errorf("labels that count from 1: found %+v, %v", r, err)
	}
	o.Dir = filepath.Join(dir, "none")
	fails("no folder", "none", os.ErrNotExist)
	o.Dir, o.Classes = dir, 0
	fails("no classes", "0 classes", graph.ErrUnsupported)
}

func FuzzDecodeLabelImage(f *testing.F) {
	f.Add(encode(f, labelled(0, 1, 2, 3)))
	f.Add(encode(f, image.NewGray(image.Rect(0, 0, 3, 2))))
	f.Add(encode(f, image.NewGray16(image.Rect(0, 0, 3, 2))))
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := DecodeLabelImage(data)
		if err != nil {
			if !errors.Is(err, preprocess.ErrImage) && !errors.Is(err, graph.ErrUnsupported) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		if len(m.Labels) != m.Height*m.Width || len(m.Labels) == 0 {
			t.Fatalf("%d labels of %d×%d", len(m.Labels), m.Height, m.Width)
		}
	})
}
