package report_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/jpeg"
	"io"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/repvit-go/repvit/evaluate"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/report"
	"github.com/repvit-go/repvit/verify"
)

var keep = flag.String("keep", "", "write the tests' reports into a folder, to look at them in a browser")

func save(t testing.TB, name, html string) {
	if *keep == "" {
		return
	}
	if err := os.WriteFile(filepath.Join(*keep, name), []byte(html), 0o644); err != nil {
		t.Fatal(err)
	}
}

func write(t testing.TB, d *report.Data) string {
	t.Helper()
	var b bytes.Buffer
	if err := report.Write(&b, d); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestSections(t *testing.T) {
	html := write(t, sample(t))
	save(t, "sample.html", html)
	last := 0
	for _, want := range []string{
		`<html lang="en">`, "Failed", "The logits differ.", // the verdict comes first
		"What the network sees", "as labelled", "street.png", "sea.png",
		`<h2 id="summary">Summary</h2>`, "RepViT-M0.9", "--report out.html",
		"Classes of pixels", "62.5\u00a0%", "wall", "75.0\u00a0%", "Objects", "AP50", "52.0\u00a0%", "AP, large", "–", "person", "41.0\u00a0%",
		"Models side by side", "20.4\u00a0MB", "9.90\u00a0ms",
		`<h2 id="network">Network</h2>`, "1×3×32×32", "Stem", "Stage 1", "Stage 2", "Head",
		"Error per layer: int8 against float", "First divergence:", "<code>features.1</code>", "0.25", "12.0\u00a0dB",
		"Ranges: Activations", "25.0\u00a0%", "not quantized",
		"Logits: int8 against float", "1 difference not finite",
		`<h2 id="images">Images</h2>`, "80.0\u00a0%", "Confusion matrix", "Most frequent confusions", "disagree",
		"data:image/jpeg;base64,/9j/", "✗ wrong", "✓ right", "2 images more.", "</html>",
	} {
		at := strings.Index(html[last:], want)
		if at < 0 {
			t.Fatalf("%q is missing, or not behind what should precede it", want)
		}
		last += at
	}
}

func TestAbsentSections(t *testing.T) {
	html := write(t, &report.Data{Title: "t", Verdict: report.Verdict{Outcome: report.Passed, Text: "Equal."},
		Errors: []report.Errors{{Title: "no layers"}}, Ranges: []report.Ranges{{Title: "none"}}, Logits: &report.Logits{}, Network: &report.Network{}})
	if !strings.Contains(html, "Passed") {
		t.Error("the verdict is missing")
	}
	if strings.Contains(html, "<section") {
		t.Errorf("sections without data: %s", html[strings.Index(html, "<section"):])
	}
}

// TestOutcomes: a report is as sure as what it shows; without a criterion nothing passed.
func TestOutcomes(t *testing.T) {
	words := []string{"Measured", "Passed", "Noticeable loss", "Failed"}
	classes := []string{"plain", "good", "warn", "bad"}
	for i, o := range []report.Outcome{report.Measured, report.Passed, report.Noticeable, report.Failed} {
		html := write(t, &report.Data{Verdict: report.Verdict{Outcome: o, Text: "So it is."}})
		for j, word := range words {
			if got := strings.Contains(html, `<p class="word">`+word+"</p>"); got != (i == j) {
				t.Errorf("outcome %d: %q is there: %v", i, word, got)
			}
			if got := strings.Contains(html, `class="verdict `+classes[j]+`"`); got != (i == j) {
				t.Errorf("outcome %d: class %q is there: %v", i, classes[j], got)
			}
		}
	}
}

func TestEqualLayers(t *testing.T) {
	html := write(t, &report.Data{Errors: []report.Errors{{Title: "t", Layers: []verify.Layer{{Value: "a"}, {Value: "b"}}}}})
	if !strings.Contains(html, "All 2 layers are equal bit by bit") {
		t.Error("equal layers are not called so")
	}
}

func TestDeterministic(t *testing.T) {
	first := write(t, sample(t))
	for range 5 {
		if write(t, sample(t)) != first {
			t.Fatal("the same data gave different bytes")
		}
	}
}

// TestStandsAlone checks that there is nothing in the file that a browser would load.
func TestStandsAlone(t *testing.T) {
	html := write(t, sample(t))
	for _, bad := range []string{"http:", "https:", "//", "<script", "<link", "@import", "@font-face", "<iframe", "<object", "javascript:"} {
		text := regexp.MustCompile(`base64,[A-Za-z0-9+/=&#;]*`).ReplaceAllString(html, "")
		if i := strings.Index(text, bad); i >= 0 {
			t.Errorf("%q in the file: %.80s", bad, text[max(i-20, 0):])
		}
	}
	for _, m := range regexp.MustCompile(`(?:src|href|url)\s*[=(]\s*["']?([^"') ]*)`).FindAllStringSubmatch(html, -1) {
		if !strings.HasPrefix(m[1], "data:image/jpeg;base64,") && m[1] != "#se" {
			t.Errorf("the file refers to %.60q", m[1])
		}
	}
	if !strings.Contains(html, `content="default-src 'none'; style-src 'unsafe-inline'; img-src data:"`) {
		t.Error("the Content-Security-Policy is missing")
	}
}

// TestHostileStrings fills every string that a report takes with markup, and looks for it in
// the page.
func TestHostileStrings(t *testing.T) {
	const evil = "x\"'`></title></style></svg><script>alert(1)</script><img src=x onerror=alert(1)>\x00\u202e\xff"
	d := sample(t)
	n := 0
	fill(reflect.ValueOf(d).Elem(), func() string { n++; return fmt.Sprintf("id%d%s", n, evil) })
	if n < 40 {
		t.Fatalf("only %d strings were filled", n)
	}
	html := write(t, d)
	for _, bad := range []string{"<script", "<img src=x", "\x00", "\u202e", "\xff"} {
		if i := strings.Index(html, bad); i >= 0 {
			t.Errorf("%q reached the page: %.120s", bad, html[max(i-60, 0):])
		}
	}
	fill(reflect.ValueOf(d).Elem(), func() string { return strings.Repeat("unbroken", 100) })
	save(t, "hostile.html", write(t, d))
	shown := 0
	for i := 1; i <= n; i++ {
		if strings.Contains(html, fmt.Sprintf("id%dx", i)) {
			shown++
		}
	}
	if shown < n*3/4 {
		t.Errorf("%d of %d strings are shown", shown, n)
	}
	balanced(t, html)
}

// fill sets every string below v.
func fill(v reflect.Value, next func() string) {
	switch v.Kind() {
	case reflect.String:
		v.SetString(next())
	case reflect.Pointer:
		fill(v.Elem(), next)
	case reflect.Struct:
		for i := range v.NumField() {
			fill(v.Field(i), next)
		}
	case reflect.Slice:
		for i := range v.Len() {
			fill(v.Index(i), next)
		}
	}
}

func TestWellFormed(t *testing.T) {
	balanced(t, write(t, sample(t)))
}

// balanced checks that every element is closed, in order.
func balanced(t *testing.T, html string) {
	t.Helper()
	d := xml.NewDecoder(strings.NewReader(html))
	d.Strict = false
	d.AutoClose = []string{"meta", "img"}
	d.Entity = xml.HTMLEntity
	depth := 0
	for {
		token, err := d.Token()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatalf("the page is not well formed: %v", err)
		}
		switch token.(type) {
		case xml.StartElement:
			depth++
		case xml.EndElement:
			depth--
		}
	}
	if depth != 0 {
		t.Errorf("%d elements are not closed", depth)
	}
}

// TestBounded checks that the file does not grow with the data beyond its limits.
func TestBounded(t *testing.T) {
	d := sample(t)
	layer, tensor, dis := d.Errors[0].Layers[1], d.Ranges[0].Tensors[0], d.Images.Disagreements[0]
	block := d.Network.Stages[0].Blocks[0]
	name := strings.Repeat("very long name ", 40)
	for i := range 20000 {
		d.Pictures = append(d.Pictures, d.Pictures[0])
		layer.RelL2 = float64(i+1) * 1e-7
		d.Errors[0].Layers = append(d.Errors[0].Layers, layer)
		d.Ranges[0].Tensors = append(d.Ranges[0].Tensors, tensor)
		d.Network.Stages[0].Blocks = append(d.Network.Stages[0].Blocks, block)
		d.Images.Disagreements = append(d.Images.Disagreements, dis)
		d.Images.Misses = append(d.Images.Misses, evaluate.Miss{File: name, Label: i + 3, Top1: 1, Against: 1})
		d.Logits.Got, d.Logits.Want = append(d.Logits.Got, float32(i%977)), append(d.Logits.Want, float32(i%911))
	}
	html := write(t, d)
	if len(html) > 4<<20 {
		t.Errorf("%d bytes", len(html))
	}
	for _, want := range []string{"18004 layers more.", "18002 tensors more.", "19494 blocks more.", "19953 images more.", "19982 confusions more."} {
		if !strings.Contains(html, want) {
			t.Errorf("the page does not say %q", want)
		}
	}
	if n := strings.Count(html, "<img "); n != 48+2*24-1 { // one has no labels
		t.Errorf("%d thumbnails and pictures", n)
	}
}

func TestWriteError(t *testing.T) {
	full := errors.New("disk full")
	if err := report.Write(writer{full}, sample(t)); !errors.Is(err, full) {
		t.Errorf("got %v", err)
	}
}

type writer struct{ err error }

func (w writer) Write([]byte) (int, error) { return 0, w.err }

func TestNewNetwork(t *testing.T) {
	g := network()
	n, err := report.NewNetwork(g, []int{2, 3, 32, 32}, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := []struct {
		stage, shape, blocks, kinds string
		parameters                  int64
	}{
		{"Stem", "2×8×16×16", "[features.0]", "3×3 s2", 8*27 + 8},
		{"Stage 1", "2×8×16×16", "[features.1]", "dw 3×3 · SE", 72 + 64},
		{"Stage 2", "2×16×8×8", "[features.2]", "1×1 s2", 128 + 32},
		{"Head", "2×10", "[pool flatten logits]", "mean", 170},
	}
	if len(n.Stages) != len(want) {
		t.Fatalf("stages %+v", n.Stages)
	}
	var parameters, macs int64
	for i, w := range want {
		s := n.Stages[i]
		var names []string
		for _, b := range s.Blocks {
			names = append(names, b.Name)
		}
		if s.Name != w.stage || s.Shape != w.shape || fmt.Sprint(names) != w.blocks || s.Blocks[0].Kinds != w.kinds || s.Parameters() != w.parameters {
			t.Errorf("stage %d: %s %s %v %q %d parameters, want %+v", i, s.Name, s.Shape, names, s.Blocks[0].Kinds, s.Parameters(), w)
		}
		parameters += s.Parameters()
		macs += s.MACs()
	}
	if parameters != g.Parameters() {
		t.Errorf("%d parameters in all blocks, %d in the graph", parameters, g.Parameters())
	}
	if all, err := g.MACs(graph.FixedShape(2, 3, 32, 32)); err != nil || macs != all {
		t.Errorf("%d MACs in all blocks, %d in the graph (%v)", macs, all, err)
	}
	if _, err := report.NewNetwork(g, []int{1, 4, 32, 32}, nil); !errors.Is(err, graph.ErrShape) {
		t.Errorf("four channels: %v", err)
	}
}

func TestNetworkTimes(t *testing.T) {
	var got []time.Duration
	for _, s := range sample(t).Network.Stages {
		got = append(got, s.Time())
	}
	if want := "[3ms 2ms 0s 20µs]"; fmt.Sprint(got) != want {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestThumbnail(t *testing.T) {
	for _, c := range []struct{ w, h, wantW, wantH int }{{400, 100, 128, 32}, {100, 400, 32, 128}, {10, 20, 10, 20}, {5000, 1, 128, 1}} {
		b, err := report.Thumbnail(image.NewGray(image.Rect(3, 4, 3+c.w, 4+c.h)))
		if err != nil {
			t.Fatal(err)
		}
		config, err := jpeg.DecodeConfig(bytes.NewReader(b))
		if err != nil || config.Width != c.wantW || config.Height != c.wantH {
			t.Errorf("%d×%d: %d×%d (%v)", c.w, c.h, config.Width, config.Height, err)
		}
	}
	if _, err := report.Thumbnail(image.NewGray(image.Rectangle{})); err == nil {
		t.Error("an image without pixels has a thumbnail")
	}
}

// TestBadThumbnail checks that bytes that are no JPEG do not become an image.
func TestBadThumbnail(t *testing.T) {
	for _, b := range [][]byte{[]byte("<svg onload=alert(1)>"), append([]byte{0xff, 0xd8, 0xff}, make([]byte, 1<<20)...)} {
		d := sample(t)
		d.Images.Disagreements[0].Thumbnail = b
		d.Pictures = []report.Picture{{Got: b, Want: b}}
		if strings.Contains(write(t, d), "<img") {
			t.Errorf("%.10q became an image", b)
		}
	}
}

func TestLayersWithoutPeaks(t *testing.T) {
	layers := []verify.Layer{{Value: "features.0", MaxAbs: math.NaN(), RelL2: 0.1, SQNR: 20}, {Value: "features.1", MaxAbs: math.NaN(), RelL2: 0.01, SQNR: 40}}
	html := write(t, &report.Data{Errors: []report.Errors{{Title: "one layer", Layers: layers}}})
	if strings.Contains(html, "max |a−b|") || strings.Contains(html, "NaN") {
		t.Error("a column of unknown figures")
	}
	if !strings.Contains(html, "Largest relative error 0.1 (SQNR 20.0") {
		t.Error("no largest error")
	}
	layers[1].MaxAbs = 3
	if html := write(t, &report.Data{Errors: []report.Errors{{Title: "one layer", Layers: layers}}}); !strings.Contains(html, "max |a−b|") {
		t.Error("no column of figures of which one is known")
	}
}
