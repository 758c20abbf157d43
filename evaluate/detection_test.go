package evaluate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/repvit-go/repvit/detect"
	"image"
	"image/color"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/mask"
)

// readJSON reads a file of testdata.
func readJSON(t *testing.T, name string, to any) {
	t.Helper()
	data, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatal(err)
	}
}

// TestCOCO holds all figures against those of testdata/coco.py.
func TestCOCO(t *testing.T) {
	a, err := ReadAnnotations("testdata/coco.instances.json", true)
	if err != nil {
		t.Fatal(err)
	}
	var rows []struct {
		Image    int64      `json:"image_id"`
		Category int64      `json:"category_id"`
		Box      [4]float64 `json:"bbox"`
		Score    float64    `json:"score"`
		Counts   string     `json:"counts"`
	}
	readJSON(t, "coco.detections.json", &rows)
	var want map[string]map[string]any
	readJSON(t, "coco.figures.json", &want)
	found := map[int64][]detect.Detection{}
	for _, r := range rows {
		at := slices.IndexFunc(a.Images, func(m AnnotatedImage) bool { return m.ID == r.Image })
		m, err := mask.Parse(a.Images[at].Height, a.Images[at].Width, r.Counts)
		if err != nil {
			t.Fatal(err)
		}
		b := r.Box
		found[r.Image] = append(found[r.Image], detect.Detection{
			Box: [4]float64{b[0], b[1], b[0] + b[2], b[1] + b[3]}, Score: r.Score, Mask: m,
			Class: slices.IndexFunc(a.Categories, func(c Category) bool { return c.ID == r.Category }),
		})
	}
	whole, left, right := NewAveragePrecision(a), NewAveragePrecision(a), NewAveragePrecision(a)
	for i, m := range a.Images {
		part := []*AveragePrecision{left, right}[i%2]
		if err := errors.Join(whole.Add(m.ID, found[m.ID]), part.Add(m.ID, found[m.ID])); err != nil {
			t.Fatal(err)
		}
	}
	if err := right.Merge(left); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(whole.Result())
	if err != nil {
		t.Fatal(err)
	}
	if merged, err := json.Marshal(right.Result()); err != nil || string(merged) != string(text) {
		t.Errorf("merged: %s, %v\nwhole: %s", merged, err, text)
	}
	var got map[string]any
	if err := json.Unmarshal(text, &got); err != nil {
		t.Fatal(err)
	}
	near := func(got, want any) bool {
		g, numbers := got.(float64)
		w, ok := want.(float64)
		return numbers == ok && math.Abs(g-w) < 1e-12
	}
	for kind, figures := range want {
		for name, w := range figures {
			if name == "categories" {
				for i, w := range w.([]any) {
					if g := got["classes"].([]any)[i].(map[string]any)[kind+"_ap"]; !near(g, w) {
						t.Errorf("%s_ap of category %d: found %v, expected %v", kind, i, g, w)
					}
				}
			} else if g, there := got[kind+"_"+name]; !there || !near(g, w) {
				t.Errorf("%s_%s: found %v, expected %v", kind, name, g, w)
			}
		}
	}
	if len(got) != 2+2*12 {
		t.Errorf("found %d members in %s", len(got), text)
	}
	// Without masks, the boxes' figures are the same, and the others are not there.
	if a, err = ReadAnnotations("testdata/coco.instances.json", false); err != nil {
		t.Fatal(err)
	}
	p := NewAveragePrecision(a)
	for _, m := range a.Images {
		if err := p.Add(m.ID, found[m.ID]); err != nil {
			t.Fatal(err)
		}
	}
	if r := p.Result(); fmt.Sprint(r.Boxes) != fmt.Sprint(whole.Result().Boxes) || !math.IsNaN(r.Masks.AP) {
		t.Errorf("without masks: found %+v", r)
	}
	if text, err := json.Marshal(p.Result()); err != nil || strings.Contains(string(text), "segm") {
		t.Errorf("without masks: %s, %v", text, err)
	}
}

// one makes annotations of one image of 100×100 pixels with boxes of one category; a negative
// area marks a crowd.
func one(t *testing.T, boxes ...[5]float64) *Annotations {
	t.Helper()
	var all []string
	for i, b := range boxes {
		crowd := 0
		if b[4] < 0 {
			crowd = 1
		}
		all = append(all, fmt.Sprintf(`{"id":%d,"image_id":1,"category_id":5,"bbox":[%v,%v,%v,%v],"area":%v,"iscrowd":%d}`, i, b[0], b[1], b[2], b[3], math.Abs(b[4]), crowd))
	}
	a, err := ParseAnnotations("x.json", []byte(`{"images":[{"id":1,"height":100,"width":100}],"categories":[{"id":5,"name":"cat"}],"annotations":[`+strings.Join(all, ",")+`]}`), false)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// sure reports a precision of 1: COCO adds 2⁻⁵² to what it divides by.
func sure(ap float64) bool { return math.Abs(ap-1) < 1e-12 }

// TestAveragePrecision has cases that are computed by hand.
func TestAveragePrecision(t *testing.T) {
	box := func(x, y, w, h, score float64) detect.Detection {
		return detect.Detection{Box: [4]float64{x, y, x + w, y + h}, Score: score}
	}
	nan := math.NaN()
	object, second, crowd := [5]float64{0, 0, 10, 10, 100}, [5]float64{20, 20, 10, 10, 100}, [5]float64{50, 50, 50, 50, -2500}
	for name, c := range map[string]struct {
		truth               [][5]float64
		found               []detect.Detection
		ap, ap50, ar1, ar10 float64
	}{
		"nothing at all":          {nil, nil, nan, nan, nan, nan},
		"nothing to find":         {nil, []detect.Detection{box(0, 0, 10, 10, 1)}, nan, nan, nan, nan},
		"nothing found":           {[][5]float64{object}, nil, 0, 0, 0, 0},
		"the object":              {[][5]float64{object}, []detect.Detection{box(0, 0, 10, 10, .1)}, 1, 1, 1, 1},
		"half of it":              {[][5]float64{object}, []detect.Detection{box(0, 0, 10, 5, .1)}, .1, 1, .1, .1},
		"less than half":          {[][5]float64{object}, []detect.Detection{box(0, 0, 10, 4.9, .1)}, 0, 0, 0, 0},
		"another place":           {[][5]float64{object}, []detect.Detection{box(10, 0, 10, 10, .1)}, 0, 0, 0, 0},
		"twice":                   {[][5]float64{object}, []detect.Detection{box(0, 0, 10, 10, .1), box(0, 0, 10, 10, .2)}, 1, 1, 1, 1},
		"a mistake before":        {[][5]float64{object}, []detect.Detection{box(0, 0, 10, 10, .1), box(70, 0, 10, 10, .2)}, .5, .5, 0, 1},
		"a mistake behind":        {[][5]float64{object}, []detect.Detection{box(0, 0, 10, 10, .2), box(70, 0, 10, 10, .1)}, 1, 1, 1, 1},
		"one of two":              {[][5]float64{object, second}, []detect.Detection{box(20, 20, 10, 10, 1)}, 51. / 101, 51. / 101, .5, .5},
		"a crowd, many times":     {[][5]float64{object, crowd}, []detect.Detection{box(50, 50, 5, 5, .9), box(60, 60, 5, 5, .8), box(0, 0, 10, 10, .7)}, 1, 1, 0, 1},
		"a crowd, by its outside": {[][5]float64{object, crowd}, []detect.Detection{box(46, 50, 8, 5, .9), box(0, 0, 10, 10, .7)}, (1*1 + 9*.5) / 10, 1, 0, 1},
		"only a crowd":            {[][5]float64{crowd}, []detect.Detection{box(50, 50, 5, 5, .9)}, nan, nan, nan, nan},
		"the better of two":       {[][5]float64{{0, 0, 10, 10, 100}, {1, 0, 10, 10, 100}}, []detect.Detection{box(1, 0, 10, 10, .9), box(0, 0, 10, 10, .8)}, 1, 1, .5, 1},
	} {
		p := NewAveragePrecision(one(t, c.truth...))
		if err := p.Add(1, c.found); err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		r := p.Result().Boxes
		for _, v := range [][2]float64{{r.AP, c.ap}, {r.AP50, c.ap50}, {r.AR1, c.ar1}, {r.AR10, c.ar10}} {
			if math.Abs(v[0]-v[1]) > 1e-12 || math.IsNaN(v[0]) != math.IsNaN(v[1]) {
				t.Errorf("%s: found %+v, expected %v, %v, %v, %v", name, r, c.ap, c.ap50, c.ar1, c.ar10)
				break
			}
		}
	}
	// Sizes on the border are in both ranges.
	p := NewAveragePrecision(one(t, [5]float64{0, 0, 32, 32, 1024}))
	if err := p.Add(1, []detect.Detection{box(0, 0, 32, 32, 1)}); err != nil {
		t.Fatal(err)
	}
	if r := p.Result().Boxes; !sure(r.APSmall) || !sure(r.APMedium) || !math.IsNaN(r.APLarge) || r.ARSmall != 1 || r.ARMedium != 1 || !math.IsNaN(r.ARLarge) {
		t.Errorf("an object of 32×32: found %+v", r)
	}
}

func TestAddErrors(t *testing.T) {
	a, err := ReadAnnotations("testdata/coco.instances.json", true)
	if err != nil {
		t.Fatal(err)
	}
	id, h, w := a.Images[0].ID, a.Images[0].Height, a.Images[0].Width
	empty, err := mask.FromCounts(h, w, []int64{int64(h * w)})
	if err != nil {
		t.Fatal(err)
	}
	good := detect.Detection{Box: [4]float64{1, 1, 2, 2}, Mask: empty}
	p := NewAveragePrecision(a)
	for name, c := range map[string]struct {
		change func(*detect.Detection)
		text   string
	}{
		"a label":             {func(d *detect.Detection) { d.Class = 3 }, "the class 3, expected one below 3"},
		"a negative label":    {func(d *detect.Detection) { d.Class = -1 }, "the class -1"},
		"a score of NaN":      {func(d *detect.Detection) { d.Score = math.NaN() }, "the score NaN"},
		"an infinite box":     {func(d *detect.Detection) { d.Box[3] = math.Inf(1) }, "expected finite numbers"},
		"a box turned round":  {func(d *detect.Detection) { d.Box[0] = 3 }, "expected x0, y0, x1, y1"},
		"no mask":             {func(d *detect.Detection) { d.Mask = mask.Mask{} }, "a mask of 0×0 pixels"},
		"a mask of the wrong": {func(d *detect.Detection) { d.Mask, _ = mask.FromCounts(1, 1, []int64{1}) }, "a mask of 1×1 pixels"},
	} {
		d := good
		c.change(&d)
		if err := p.Add(id, []detect.Detection{good, d}); !errors.Is(err, graph.ErrShape) || !strings.Contains(err.Error(), "detection 1: "+"found") || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: %v, expected %q", name, err, c.text)
		}
	}
	if n := p.Result().Images; n != 0 {
		t.Errorf("%d images were added", n)
	}
	if err := p.Add(-5, nil); !errors.Is(err, ErrAnnotations) {
		t.Errorf("an unknown image: %v", err)
	}
	if err := p.Add(id, []detect.Detection{good}); err != nil {
		t.Error(err)
	}
	if err := p.Add(id, nil); !errors.Is(err, ErrAnnotations) {
		t.Errorf("an image twice: %v", err)
	}
	q := NewAveragePrecision(a)
	if err := errors.Join(q.Add(a.Images[1].ID, nil), q.Merge(p)); err != nil {
		t.Error(err)
	}
	if err := q.Merge(p); !errors.Is(err, ErrAnnotations) || q.Result().Images != 2 {
		t.Errorf("merged twice: %v", err)
	}
	if err := q.Merge(NewAveragePrecision(one(t))); !errors.Is(err, ErrAnnotations) {
		t.Errorf("other annotations: %v", err)
	}
}

func TestParseAnnotations(t *testing.T) {
	const head = `{"images":[{"id":1,"file_name":"a.png","height":4,"width":5}],"categories":[{"id":7,"name":"cat"}],"annotations":[`
	with := func(fields string) string {
		return head + `{"id":3,"image_id":1,"category_id":7,"bbox":[0,0,1,1],"area":1,` + fields + `}]}`
	}
	segmentation := func(s string) string { return with(`"segmentation":` + s) }
	for name, c := range map[string]struct{ text, want string }{
		"nothing":               {"", "unexpected end"},
		"a list":                {"[]", "cannot unmarshal array"},
		"no images":             {"{}", "found 0 images and 0 categories, expected the JSON of COCO's instances"},
		"NaN":                   {with(`"x":NaN`), "invalid character 'N'"},
		"a huge number":         {head + `{"bbox":[1e999]}]}`, "1e999"},
		"an image without id":   {`{"images":[{"height":4,"width":5}],"categories":[{"id":7}]}`, "images[0] has no id"},
		"an image of no size":   {`{"images":[{"id":1,"width":5}],"categories":[{"id":7}]}`, "image 1 has 0×5 pixels"},
		"a path outside":        {`{"images":[{"id":1,"file_name":"../a","height":4,"width":5}],"categories":[{"id":7}]}`, `the file_name "../a"`},
		"an image twice":        {`{"images":[{"id":1,"height":4,"width":5},{"id":1,"height":4,"width":5}],"categories":[{"id":7}]}`, "found the image 1 twice"},
		"a category twice":      {`{"images":[{"id":1,"height":4,"width":5}],"categories":[{"id":7},{"id":7}]}`, "found the category 7 twice"},
		"a category without id": {`{"images":[{"id":1,"height":4,"width":5}],"categories":[{}]}`, "categories[0] has no id"},
		"no image":              {head + `{"id":3,"category_id":7,"bbox":[0,0,1,1],"area":1}]}`, "annotations[0] lacks one of id, image_id"},
		"another image":         {head + `{"id":3,"image_id":2,"category_id":7,"bbox":[0,0,1,1],"area":1}]}`, "annotation 3 names the image 2"},
		"another category":      {head + `{"id":3,"image_id":1,"category_id":1,"bbox":[0,0,1,1],"area":1}]}`, "annotation 3 names the category 1"},
		"a negative width":      {head + `{"id":3,"image_id":1,"category_id":7,"bbox":[0,0,-1,1],"area":1}]}`, "annotation 3: bbox [0 0 -1 1], expected"},
		"a box far away":        {head + `{"id":3,"image_id":1,"category_id":7,"bbox":[1e30,0,1,1],"area":1}]}`, "annotation 3: bbox"},
		"three numbers":         {head + `{"id":3,"image_id":1,"category_id":7,"bbox":[0,0,1],"area":1}]}`, "bbox has 3 numbers"},
		"no area":               {head + `{"id":3,"image_id":1,"category_id":7,"bbox":[0,0,1,1]}]}`, "annotation 3: no area"},
		"a negative area":       {head + `{"id":3,"image_id":1,"category_id":7,"bbox":[0,0,1,1],"area":-1}]}`, "annotation 3: no area, or a negative one"},
		"a crowd of 2":          {with(`"iscrowd":2`), "iscrowd 2, expected 0 or 1"},
		"an annotation twice":   {strings.TrimSuffix(segmentation(`[[0,0,2,0,2,2]]`), "]}") + `,{"id":3,"image_id":1,"category_id":7}]}`, "found the annotation 3 twice"},
		"no segmentation":       {with(`"iscrowd":0`), `annotation 3: segmentation "", expected polygons or run lengths`},
		"null":                  {segmentation(`null`), `segmentation "null"`},
		"no polygon":            {segmentation(`[]`), "segmentation has no polygon"},
		"a flat list":           {segmentation(`[0,0,2,0,2,2]`), "annotation 3: segmentation: json"},
		"two corners":           {segmentation(`[[0,0,2,2]]`), "polygon 0 has 4 values"},
		"a corner far away":     {segmentation(`[[0,0,1e30,2,0,2]]`), "polygon 0 has a corner at 1e+30"},
		"another size":          {segmentation(`{"size":[5,4],"counts":[20]}`), "has the size [5 4], expected the image's, [4 5]"},
		"no counts":             {segmentation(`{"size":[4,5]}`), "counts"},
		"counts that are long":  {segmentation(`{"size":[4,5],"counts":[99999999999999]}`), "at most the 20"},
		"counts that are short": {segmentation(`{"size":[4,5],"counts":"1"}`), "end 19 pixels before"},
		"counts of a half":      {segmentation(`{"size":[4,5],"counts":[19.5,0.5]}`), "cannot unmarshal number"},
		"counts without an end": {segmentation(`{"size":[4,5],"counts":"P"}`), "run 0 does not end"},
		"a name for an id":      {`{"images":[{"id":"one"}]}`, "cannot unmarshal string"},
	} {
		_, err := ParseAnnotations("x.json", []byte(c.text), true)
		if !errors.Is(err, ErrAnnotations) || !strings.HasPrefix(err.Error(), "x.json: malformed annotations: ") || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q", name, err, c.want)
		}
	}
	for _, good := range []string{`[[0,0,2,0,2,2]]`, `{"size":[4,5],"counts":[0,20]}`, `{"size":[4,5],"counts":"0d0"}`} {
		a, err := ParseAnnotations("x.json", []byte(segmentation(good)), true)
		if err != nil || len(a.objects) != 1 || len(a.Images) != 1 || a.Images[0] != (AnnotatedImage{1, "a.png", 4, 5}) || a.Categories[0] != (Category{7, "cat"}) {
			t.Errorf("%s: found %+v, %v", good, a, err)
		}
	}
	// Without masks, nobody looks at them.
	if _, err := ParseAnnotations("x.json", []byte(segmentation(`"?"`)), false); err != nil {
		t.Error(err)
	}
}

// TestPolygonWork refuses a small file of polygons that go to and fro across a wide image.
func TestPolygonWork(t *testing.T) {
	corners := strings.Repeat("0,0,16000000,1,", 40)
	polygon := fmt.Sprintf(`{"id":%%d,"image_id":1,"category_id":7,"bbox":[0,0,1,1],"area":1,"segmentation":[[%s0,0]]}`, corners)
	text := `{"images":[{"id":1,"height":4,"width":16000000}],"categories":[{"id":7,"name":"cat"}],"annotations":[` + fmt.Sprintf(polygon, 1) + "]}"
	if _, err := ParseAnnotations("x.json", []byte(text), true); !errors.Is(err, graph.ErrTooLarge) || !strings.HasPrefix(err.Error(), "x.json: annotation 1: too large") {
		t.Errorf("found %v", err)
	}
}

// TestRunDetection runs a network that finds what its image's colour says.
func TestRunDetection(t *testing.T) {
	dir := t.TempDir()
	paint(t, dir, map[string]color.Color{"a.png": color.RGBA{255, 0, 0, 255}, "b.png": color.RGBA{0, 255, 0, 255}})
	file := func(size int) *Annotations {
		a, err := ParseAnnotations("x.json", []byte(fmt.Sprintf(`{"images":[{"id":2,"file_name":"b.png","height":2,"width":%d},{"id":1,"file_name":"a.png","height":2,"width":2}],
			"categories":[{"id":5,"name":"cat"},{"id":3,"name":"dog"},{"id":9,"name":"dog"}],"annotations":[
			{"id":1,"image_id":1,"category_id":3,"bbox":[0,0,2,2],"area":4},{"id":2,"image_id":2,"category_id":5,"bbox":[0,0,2,2],"area":4}]}`, size)), false)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	steps := 0
	o := DetectionImages{Dir: dir, Annotations: file(2), Progress: func(done, total int) { steps += 10*done + total }}
	o.Detect = func(_ context.Context, img image.Image) ([]detect.Detection, error) {
		label := 0
		if r, _, _, _ := img.At(0, 0).RGBA(); r > 0 {
			label = 1
		}
		return []detect.Detection{{Box: [4]float64{0, 0, 2, 2}, Score: 1, Class: label}}, nil
	}
	r, err := RunDetection(t.Context(), o)
	if err != nil || r.Images != 2 || !sure(r.Boxes.AP) || steps != 34 || r.Categories[1].Annotations != 1 || !math.IsNaN(r.Categories[2].Boxes) {
		t.Errorf("found %+v, %v after %d", r, err, steps)
	}
	finds := o.Detect
	fails := func(name, text string, want error, change func(*DetectionImages)) {
		t.Helper()
		o := o
		change(&o)
		if _, err := RunDetection(t.Context(), o); !errors.Is(err, want) || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, expected %q", name, err, text)
		}
	}
	fails("another size", "b.png: shapes do not fit", graph.ErrShape, func(o *DetectionImages) { o.Annotations = file(3) })
	fails("no image", "a.png", os.ErrNotExist, func(o *DetectionImages) { o.Dir = t.TempDir() })
	fails("no name", "image 1 has no file_name", ErrAnnotations, func(o *DetectionImages) { o.Annotations = one(t) })
	fails("another class", `the network's class 1, "cow", is none`, graph.ErrShape, func(o *DetectionImages) { o.Names = []string{"cat", "cow"} })
	fails("two categories", `named "dog"`, graph.ErrShape, func(o *DetectionImages) { o.Names = []string{"cat", "dog"} })
	fails("a label", "a.png: shapes do not fit: detection 0 has the class 1, expected one of the network's 1", graph.ErrShape, func(o *DetectionImages) { o.Names = []string{"cat"} })
	stop := errors.New("stop")
	fails("the network", "a.png: stop", stop, func(o *DetectionImages) {
		o.Detect = func(context.Context, image.Image) ([]detect.Detection, error) { return nil, stop }
	})
	ctx, cancel := context.WithCancel(t.Context())
	o.Detect = func(ctx context.Context, img image.Image) ([]detect.Detection, error) {
		cancel()
		return finds(ctx, img)
	}
	if _, err := RunDetection(ctx, o); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	// Names are looked up, in whatever order the network has them.
	o.Annotations.Categories[2].Name = "cow"
	o.Names, o.Detect = []string{"dog", "cat"}, func(ctx context.Context, img image.Image) ([]detect.Detection, error) {
		found, err := finds(ctx, img)
		found[0].Class = 1 - found[0].Class
		return found, err
	}
	if r, err := RunDetection(t.Context(), o); err != nil || !sure(r.Boxes.AP) {
		t.Errorf("by name: found %+v, %v", r, err)
	}
}

func FuzzParseAnnotations(f *testing.F) {
	data, err := os.ReadFile("testdata/coco.instances.json")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add([]byte(`{"images":[{"id":1,"height":4,"width":5}],"categories":[{"id":7}],"annotations":[{"id":3,"image_id":1,"category_id":7,"bbox":[0,0,1,1],"area":1,"segmentation":[[0,0,4,4,0,4]]}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		a, err := ParseAnnotations("x.json", data, true)
		if err != nil {
			if !errors.Is(err, ErrAnnotations) && !errors.Is(err, graph.ErrTooLarge) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		p := NewAveragePrecision(a)
		for _, m := range a.Images {
			if err := p.Add(m.ID, nil); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := json.Marshal(p.Result()); err != nil {
			t.Fatal(err)
		}
	})
}
