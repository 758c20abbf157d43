package segment_test

import (
	"context"
	"errors"
	"fmt"
	"image/color"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/segment"
)

// converted writes a network of scenes.
func converted(t testing.TB, name string, o model.Options) string {
	t.Helper()
	o.Height, o.Width = 128, 128
	path := filepath.Join(t.TempDir(), name+".onnx")
	if _, err := convert.File(context.Background(), "../testdata/dense/"+name+".pth", path, convert.Options{Model: o}); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestSegment(t *testing.T) {
	img, err := preprocess.OpenUpright("../testdata/dense/images/002.png")
	if err != nil {
		t.Fatal(err)
	}
	var maps []*segment.Map
	for _, what := range []string{model.SegmentClasses, model.SegmentLogits} {
		s, err := segment.Open(converted(t, "scenes_seg", model.Options{Segment: what}), infer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		if len(s.Labels()) != 8 || s.Labels()[0] != "background" {
			t.Errorf("labels %q", s.Labels())
		}
		m, err := s.Segment(t.Context(), img)
		if err != nil {
			t.Fatal(err)
		}
		if m.Bounds() != img.Bounds() || len(m.Palette) != 8 {
			t.Errorf("%v and %d colours for an image of %v", m.Bounds(), len(m.Palette), img.Bounds())
		}
		if class := m.ColorIndexAt(1, 1); m.Label(class) != "background" || m.Label(9) != "9" {
			t.Errorf("the corner shows %q", m.Label(class))
		}
		maps = append(maps, m)
	}
	differ := 0
	for i, c := range maps[0].Pix {
		if c != maps[1].Pix[i] {
			differ++
		}
	}
	if differ > len(maps[0].Pix)/1000 {
		t.Errorf("by classes and by logits %d pixels differ", differ)
	}
}

func TestDetect(t *testing.T) {
	img, err := preprocess.OpenUpright("../testdata/dense/images/019.png")
	if err != nil {
		t.Fatal(err)
	}
	d, err := detect.Open(converted(t, "scenes_det", model.Options{}), infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	objects, err := d.Detect(t.Context(), img)
	if err != nil || len(objects) == 0 {
		t.Fatalf("found %d objects, %v", len(objects), err)
	}
	last := 1.0
	for _, o := range objects {
		if o.Score > last || o.Label != d.Labels()[o.Class] || o.Box[0] > o.Box[2] || o.Box[3] > 128 {
			t.Errorf("found %+v", o)
		}
		if h, w := o.Mask.Size(); h != 128 || w != 128 {
			t.Errorf("a mask of %d×%d", h, w)
		}
		last = o.Score
	}
}

// TestOthers: what is no segmenter, or no detector, is refused.
func TestOthers(t *testing.T) {
	det, seg := converted(t, "scenes_det", model.Options{}), converted(t, "scenes_seg", model.Options{})
	coarse := converted(t, "scenes_seg", model.Options{Segment: model.SegmentCoarse})
	for _, path := range []string{det, coarse} {
		if _, err := segment.Open(path, infer.Options{}); !errors.Is(err, graph.ErrUnsupported) || !strings.Contains(err.Error(), path) {
			t.Errorf("%v", err)
		}
	}
	if _, err := detect.Open(seg, infer.Options{}); !errors.Is(err, graph.ErrUnsupported) || !strings.Contains(err.Error(), seg) {
		t.Errorf("%v", err)
	}
	if _, err := segment.Open("none.onnx", infer.Options{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func TestColor(t *testing.T) {
	if c := segment.Color([][3]uint8{{1, 2, 3}}, 0); c != (color.RGBA{1, 2, 3, 255}) {
		t.Errorf("found %v", c)
	}
	if a, b := segment.Color(nil, 1), segment.Color(nil, 2); a == b || a.A != 255 {
		t.Errorf("found %v and %v", a, b)
	}
}

func Example() {
	s, err := segment.Open("seg.onnx", infer.Options{})
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()
	img, err := preprocess.OpenUpright("street.jpg")
	if err != nil {
		fmt.Println(err)
		return
	}
	m, err := s.Segment(context.Background(), img)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(m.Label(m.ColorIndexAt(10, 20)))
}
