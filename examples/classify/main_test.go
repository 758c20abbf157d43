package main

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/native"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
)

// convert writes the native form of a checkpoint and returns its path.
func convert(t *testing.T, checkpoint string) string {
	t.Helper()
	f, err := pytorch.Open(checkpoint)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	sd, err := f.StateDict(pytorch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := family.Build(sd, model.Options{Preprocess: preprocess.ImageNet(64, 64, 0.875)})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.safetensors")
	out, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := native.Encode(out, reparam.Fuse(m.Graph)); err != nil {
		t.Fatal(err)
	}
	if err := out.Close(); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestClassify(t *testing.T) {
	m := convert(t, "../../testdata/v2_release.pth")
	img := image.NewRGBA(image.Rect(0, 0, 90, 70))
	for x := range 90 {
		for y := range 70 {
			img.Set(x, y, color.RGBA{uint8(2 * x), uint8(3 * y), 77, 255})
		}
	}
	path := filepath.Join(t.TempDir(), "image.png")
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := classify(&out, m, path); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(out.String(), " %  "); n != 5 {
		t.Errorf("%d classes:\n%s", n, out.String())
	}
	for _, c := range [][2]string{{"no such model", path}, {m, "no such image"}, {m, m}} {
		if err := classify(&out, c[0], c[1]); err == nil {
			t.Errorf("%v: no error", c)
		}
	}
}
