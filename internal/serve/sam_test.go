package serve

import (
	"bytes"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"io"
	"math"
	"net/http"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/mask"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/sam"
)

const samPhoto = "../../testdata/sam/repvit_sam.png" // 165×124

// samPaths writes the two networks of a small RepViT-SAM.
func samPaths(t testing.TB) []string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "s.onnx")
	if _, err := convert.File(t.Context(), "../../testdata/sam/repvit_sam.pt", path, convert.Options{Model: model.Options{Height: 128, Width: 128}, NoCheck: true}); err != nil {
		t.Fatal(err)
	}
	return []string{convert.PartPath(path, model.PartEncoder), convert.PartPath(path, model.PartDecoder)}
}

func readFile(t testing.TB, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// sent sends a photo to be kept.
func sent(t testing.TB, url string, picture []byte) (k kept) {
	t.Helper()
	r, body := post(t, url+"/images", bytes.NewReader(picture))
	if err := json.Unmarshal([]byte(body), &k); err != nil || r.StatusCode != 200 || k.ID == "" {
		t.Fatalf("%s: %s (%v)", r.Status, body, err)
	}
	return k
}

// prompts asks for a mask.
func prompts(t testing.TB, url, id, prompt string) segmented {
	t.Helper()
	var a struct {
		segmented
		Schema int
	}
	r, body := post(t, url+"/images/"+id+"/mask", strings.NewReader(prompt))
	if err := json.Unmarshal([]byte(body), &a); err != nil || r.StatusCode != 200 || a.Schema != 1 {
		t.Fatalf("%s: %s: %s (%v)", prompt, r.Status, body, err)
	}
	return a.segmented
}

// TestPrompts: masks are those of package sam, bit for bit, which are those of the official code.
func TestPrompts(t *testing.T) {
	paths := samPaths(t)
	_, url := start(t, opened(t, paths...), defaults())
	file := readFile(t, samPhoto)
	k := sent(t, url, file)
	img, err := preprocess.OpenUpright(samPhoto)
	if err != nil {
		t.Fatal(err)
	}
	if size := img.Bounds().Size(); k.Width != size.X || k.Height != size.Y || k.Keep != 60 {
		t.Errorf("answered %+v for %v", k, size)
	}
	s, err := sam.Open(paths[0], paths[1], infer.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	e, err := s.Embed(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	for i, c := range []struct {
		text   string
		prompt sam.Prompt
		score  float64 // of the official code
	}{
		{`{"points":[[48,67]]}`, sam.Prompt{Inside: []sam.Point{{X: 48, Y: 67}}}, 0.80038},
		{`{"points":[[103,42,1],[151,81,0]]}`, sam.Prompt{Inside: []sam.Point{{X: 103, Y: 42}}, Outside: []sam.Point{{X: 151, Y: 81}}}, 0.81164},
		{` {"box": [107, 40, 162, 93]} `, sam.Prompt{Box: &sam.Box{X0: 107, Y0: 40, X1: 162, Y1: 93}}, 0.5657},
	} {
		want, err := s.Segment(t.Context(), e, c.prompt)
		if err != nil {
			t.Fatal(err)
		}
		got := prompts(t, url, k.ID, c.text)
		if got.Width != want.Width || got.Height != want.Height || got.Area != want.Area() || got.Score != want.Score || math.Abs(got.Score-c.score) > 1e-4 {
			t.Errorf("%s: %+v, want %d pixels, score %v", c.text, got, want.Area(), c.score)
		}
		m, err := mask.Parse(got.Height, got.Width, got.Mask)
		if err != nil {
			t.Fatal(err)
		}
		for j, v := range m.Pixels() {
			if v == 1 != (want.Logits[j] > 0) {
				t.Fatalf("%s: pixel %d is not the same", c.text, j)
			}
		}
		r, body := post(t, url+"/images/"+k.ID+"/mask?as=mask", strings.NewReader(c.text))
		picture, err := png.Decode(strings.NewReader(body))
		gray, ok := picture.(*image.Gray)
		if err != nil || !ok || !bytes.Equal(gray.Pix, want.Image().Pix) || r.Header.Get("Content-Type") != "image/png" {
			t.Errorf("%s: %s, %T, %v: not the mask", c.text, r.Status, picture, err)
		}
		official, err := preprocess.OpenUpright(fmt.Sprintf("../../testdata/sam/repvit_sam.mask%d.png", i+1))
		if err != nil {
			t.Fatal(err)
		}
		same := 0
		for y := range got.Height {
			for x := range got.Width {
				if v, _, _, _ := official.At(x, y).RGBA(); v > 1<<15 == want.At(x, y) {
					same++
				}
			}
		}
		if 1000*same < 995*got.Height*got.Width {
			t.Errorf("%s: %d pixels are as in the official mask", c.text, same)
		}
		if got := r.Header.Get(scoreHeader); got != fmt.Sprintf("%.6g", want.Score) {
			t.Errorf("%s: score %q, want %v", c.text, got, want.Score)
		}
	}
}

// TestPromptRefusals: what a client may send by mistake or on purpose costs it an error that says why.
func TestPromptRefusals(t *testing.T) {
	s, url := start(t, opened(t, samPaths(t)...), defaults())
	k := sent(t, url, readFile(t, samPhoto))
	for _, c := range []struct {
		prompt string
		status int
		text   string
	}{
		{"", 400, "can't be read: EOF; expected such as"},
		{"null", 400, "found none, expected a point or a box"},
		{"{}", 400, "found none, expected a point or a box"},
		{`{"points":[]}`, 400, "found none, expected a point or a box"},
		{`{"points":[[1,2]],"label":1}`, 400, "unknown field"},
		{`{"points":[[1,2]]} {}`, 400, "does not end behind its first value"},
		{`{"points":[[NaN,2]]}`, 400, "invalid character"},
		{`{"points":[[1e999,2]]}`, 400, "1e999"},
		{`{"points":[[1e308,2]]}`, 400, "expected one in the image of "},
		{`{"points":[[-1,2]]}`, 400, "expected one in the image of "},
		{`{"points":[[null,2]]}`, 400, "points[0]: found null"},
		{`{"points":[[1]]}`, 400, "points[0]: found 1 numbers"},
		{`{"points":[[1,2,1],[1,2,1,0]]}`, 400, "points[1]: found 4 numbers"},
		{`{"points":[[1,2,2]]}`, 400, "points[0]: found the label 2, expected 1"},
		{`{"points":[[1,2,0.5]]}`, 400, "found the label 0.5"},
		{`{"points":["1,2"]}`, 400, "can't be read"},
		{`{"box":[]}`, 400, "box: found 0 numbers"},
		{`{"box":[1,2,3]}`, 400, "box: found 3 numbers"},
		{`{"box":[1,2,null,4]}`, 400, "box: found null"},
		{`{"box":[30,20,10,40]}`, 400, "expected its upper left corner first"},
		{`{"points":[` + strings.Repeat("[1,2],", sam.MaxPoints) + `[1,2]]}`, 400, "1025 points, expected at most 1024"},
		{`{"points":[` + strings.Repeat("[1,2],", sam.MaxPoints-1) + `[1,2]]}`, 413, "more memory for this than it may take"}, // of a network this small
		{`{"points":[` + strings.Repeat("[1,2],", 50000) + `[1,2]]}`, 413, "more than 262144 bytes"},
		{strings.Repeat(`[`, 20000), 400, "can't be read"},
		{"\x89PNG\r\n", 400, "can't be read"},
	} {
		r, body := post(t, url+"/images/"+k.ID+"/mask", strings.NewReader(c.prompt))
		if r.StatusCode != c.status || !strings.Contains(body, c.text) || !json.Valid([]byte(body)) {
			t.Errorf("%.60s: %s %s, want %d with %q", c.prompt, r.Status, body, c.status, c.text)
		}
	}
	const good = `{"points":[[48,67]]}`
	for _, c := range []struct {
		method, path, body string
		status             int
		text               string
	}{
		{"POST", "/images/none/mask", good, 404, `no image \"none\"`},
		{"POST", "/images//mask", good, 404, "POST /images"},
		{"POST", "/images/" + strings.Repeat("x", 5000) + "/mask", good, 404, "no image"},
		{"POST", "/images/" + k.ID + "/mask?as=overlay", good, 400, "expected json or mask"},
		{"POST", "/images/" + k.ID + "/mask?top=5", good, 400, "top"},
		{"POST", "/images?as=mask", "", 400, "expected none"},
		{"POST", "/images", "no image", 400, "no image that can be decoded"},
		{"DELETE", "/images/none", "", 404, "no image"},
		{"GET", "/images/" + k.ID, "", 404, "expected POST /images"},
		{"POST", "/classify", "", 404, "the model is a promptable segmenter: POST /images"},
	} {
		status, body := do(t, c.method, url+c.path, c.body)
		if status != c.status || !strings.Contains(body, c.text) {
			t.Errorf("%s %.60s: %d %s, want %d with %q", c.method, c.path, status, body, c.status, c.text)
		}
	}
	if got := prompts(t, url, k.ID, `{"points":[`+strings.Repeat("[48,67],", 99)+`[48,67]]}`); got.Width != k.Width {
		t.Errorf("many points: %+v", got)
	}
	if len(s.places)+len(s.clicks.places) != 0 || len(s.slots)+len(s.clicks.slots) != 0 || s.bodies.Load() != 0 {
		t.Errorf("%d places, %d slots and %d bytes are still held", len(s.places), len(s.slots), s.bodies.Load())
	}
}

func do(t testing.TB, method, url, body string) (int, string) {
	t.Helper()
	q, err := http.NewRequest(method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.DefaultClient.Do(q)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r.StatusCode, string(b)
}

// TestKept: at most as many photos are kept as allowed, the one that was not used for longest goes
// first, and none stays longer than said.
func TestKept(t *testing.T) {
	const good = `{"points":[[48,67]]}`
	m := opened(t, samPaths(t)...)
	file := readFile(t, samPhoto)
	_, url := start(t, m, defaults()) // which keeps two
	there := func(k kept) bool {
		status, body := do(t, "POST", url+"/images/"+k.ID+"/mask", good)
		if status != 200 && status != 404 {
			t.Fatalf("%d %s", status, body)
		}
		return status == 200
	}
	a, b := sent(t, url, file), sent(t, url, file)
	if a.ID == b.ID || !there(a) || !there(b) || !there(a) {
		t.Error("two photos are not kept")
	}
	c := sent(t, url, file)
	if !there(a) || there(b) || !there(c) {
		t.Error("another photo than the one that was not used for longest has gone")
	}
	_, text := get(t, url+"/metrics")
	if want := "repvit_images 2\n"; !strings.Contains(text, want) || !strings.Contains(text, fmt.Sprintf("repvit_image_bytes %d\n", 2*m.embedding)) {
		t.Errorf("%q is missing in %s", want, text)
	}
	if status, body := do(t, "DELETE", url+"/images/"+a.ID, ""); status != 200 || body != `{"schema":1}`+"\n" {
		t.Errorf("deleting: %d %s", status, body)
	}
	if there(a) || !there(c) {
		t.Error("another photo was deleted")
	}

	l := defaults()
	l.Keep = time.Nanosecond
	_, url = start(t, m, l)
	if there(sent(t, url, file)) {
		t.Error("a photo stays")
	}
	if got, less := l.memory(m), (&Limits{Concurrency: 2, MaxBytes: l.MaxBytes, MaxBodies: l.MaxBodies, MaxPixels: l.MaxPixels}).memory(m); m.embedding != 32*8*8*4 || got-less != 2*m.embedding {
		t.Errorf("two photos add %d bytes to the bound, and one has %d", got-less, m.embedding)
	}
}

// TestReplaced: photos of an old model are not asked about with a new one.
func TestReplaced(t *testing.T) {
	paths := samPaths(t)
	s, url := start(t, opened(t, paths...), defaults())
	file := readFile(t, samPhoto)
	k := sent(t, url, file)
	want := prompts(t, url, k.ID, `{"points":[[48,67]]}`)
	s.reload(t.Context(), &Config{Models: paths, Limits: defaults(), Log: quiet})
	if status, body := do(t, "POST", url+"/images/"+k.ID+"/mask", `{"points":[[48,67]]}`); status != 404 || !strings.Contains(body, "POST /images again") {
		t.Errorf("%d %s", status, body)
	}
	// An embedding of another model that is there all the same, as of a request that was on its way.
	old := s.model.Load()
	k = sent(t, url, file)
	s.model.Store(opened(t, paths...))
	if s.model.Load() == old {
		t.Fatal("the same model")
	}
	if status, _ := do(t, "POST", url+"/images/"+k.ID+"/mask", `{"points":[[48,67]]}`); status != 404 {
		t.Errorf("%d for the embedding of another model", status)
	}
	if got := prompts(t, url, sent(t, url, file).ID, `{"points":[[48,67]]}`); got != want {
		t.Error("the same model answers something else")
	}
}

// TestHalfReplaced: an encoder that is new beside a decoder that is old is not served, unless it began so.
func TestHalfReplaced(t *testing.T) {
	old := samPaths(t)
	path := filepath.Join(t.TempDir(), "other.onnx")
	checkpoint := filepath.Join(t.TempDir(), "other.pt")
	if err := os.WriteFile(checkpoint, append(readFile(t, "../../testdata/sam/repvit_sam.pt"), make([]byte, 16)...), 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := convert.File(t.Context(), checkpoint, path, convert.Options{Model: model.Options{Height: 128, Width: 128}, NoCheck: true}); err != nil {
		t.Fatal(err)
	}
	other := []string{convert.PartPath(path, model.PartEncoder), convert.PartPath(path, model.PartDecoder)}
	for _, c := range []struct {
		before, after []string
		replaced      bool
	}{
		{old, other, true},
		{old, []string{other[0], old[1]}, false},
		{[]string{other[0], old[1]}, []string{old[0], other[1]}, true},
	} {
		first := opened(t, c.before...)
		s := newService(first, defaults(), quiet)
		s.reload(t.Context(), &Config{Models: c.after, Limits: defaults(), Log: quiet})
		if got := s.model.Load() != first; got != c.replaced {
			t.Errorf("%v by %v: replaced %v, want %v", c.before, c.after, got, c.replaced)
		}
	}
}

// TestClicksPass: a prompt is answered while all there is to look at images is taken.
func TestClicksPass(t *testing.T) {
	l := defaults()
	l.Timeout = time.Second
	s, url := start(t, opened(t, samPaths(t)...), l)
	k := sent(t, url, readFile(t, samPhoto))
	for range l.Concurrency {
		s.slots <- struct{}{}
	}
	for range l.Concurrency + l.Queue - 1 {
		s.places <- struct{}{}
	}
	prompts(t, url, k.ID, `{"points":[[48,67]]}`)
	if r, body := post(t, url+"/images", bytes.NewReader(readFile(t, samPhoto))); r.StatusCode != 504 {
		t.Errorf("%s %s", r.Status, body)
	}
	s.places <- struct{}{}
	prompts(t, url, k.ID, `{"points":[[48,67]]}`)
	if r, body := post(t, url+"/images", bytes.NewReader(readFile(t, samPhoto))); r.StatusCode != 503 {
		t.Errorf("%s %s", r.Status, body)
	}
}

// TestPageFiles: the page is there, and closed to everything else; other models have none.
func TestPageFiles(t *testing.T) {
	_, url := start(t, opened(t, samPaths(t)...), defaults())
	for path, kind := range map[string]string{"/": "text/html", "/page.js": "text/javascript", "/page.css": "text/css", "/style.css": "text/css"} {
		r, err := http.Get(url + path)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != 200 || !strings.HasPrefix(r.Header.Get("Content-Type"), kind) || !strings.HasPrefix(r.Header.Get("Content-Security-Policy"), "default-src 'none'; ") || len(body) < 500 {
			t.Errorf("%s: %s %v, %d bytes, %v", path, r.Status, r.Header, len(body), err)
		}
		if strings.Contains(string(body), "://") {
			t.Errorf("%s names an address elsewhere", path)
		}
	}
	_, body := get(t, url+"/model")
	var got info
	if err := json.Unmarshal([]byte(body), &got); err != nil || got.Kind != "promptable segmenter" || got.Path != "/images" || len(got.Files) != 2 || got.File != got.Files[0] || got.Bytes == 0 {
		t.Errorf("%s %v", body, err)
	}
	_, url = start(t, newFake().model(), defaults())
	for _, path := range []string{"/", "/page.js"} {
		if code, body := get(t, url+path); code != 404 || !strings.Contains(body, "POST /classify") {
			t.Errorf("%s of a classifier: %d %s", path, code, body)
		}
	}
}

// TestManyPrompts asks about photos from many sides at once, while they come and go.
func TestManyPrompts(t *testing.T) {
	l := defaults()
	l.Queue, l.MaxImages = 64, 8
	_, url := start(t, opened(t, samPaths(t)...), l)
	file := readFile(t, samPhoto)
	k := sent(t, url, file)
	want := prompts(t, url, k.ID, `{"points":[[48,67]]}`)
	var group sync.WaitGroup
	for range 4 {
		group.Go(func() {
			for range 5 {
				if got := prompts(t, url, k.ID, `{"points":[[48,67]]}`); got != want {
					t.Errorf("%+v, want %+v", got, want)
				}
			}
		})
		group.Go(func() {
			for range 2 {
				other := sent(t, url, file)
				prompts(t, url, other.ID, `{"points":[[20,30,0],[48,67,1]],"box":[10,10,90,90]}`)
				do(t, "DELETE", url+"/images/"+other.ID, "")
			}
		})
	}
	group.Wait()
}

// TestPartErrors: two files that are not an encoder and its decoder are refused.
func TestPartErrors(t *testing.T) {
	paths := samPaths(t)
	classifier := converted(t, "v2_release.pth", 64)
	for text, p := range map[string][]string{
		"v2_release.pth: found a PyTorch checkpoint": {paths[0], "../../testdata/v2_release.pth"},
		"expected an encoder":                        {paths[1], paths[0]},
		"expected a decoder":                         {paths[0], classifier},
	} {
		if _, err := load(t.Context(), p, infer.Options{}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%v: %v, want %q", p, err, text)
		}
	}
	if _, err := load(t.Context(), paths[:1], infer.Options{}); err == nil || !strings.Contains(err.Error(), "a promptable segmenter is two files") {
		t.Errorf("an encoder alone: %v", err)
	}
}

// FuzzPrompt: what is read as a prompt is written and read again the same, and has numbers alone.
func FuzzPrompt(f *testing.F) {
	for _, text := range []string{`{"points":[[48,67],[1.5,2e1,0]],"box":[1,2,3,4]}`, `{"points":[[null,2]]}`, `{"box":[1,2,3,1e999]}`, `{"points":[[1,2,1]]} x`, "null"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePrompt(data)
		if err != nil {
			return
		}
		var again struct {
			Points [][3]float64 `json:"points"`
			Box    []float64    `json:"box,omitempty"`
		}
		for _, q := range p.Inside {
			again.Points = append(again.Points, [3]float64{q.X, q.Y, 1})
		}
		for _, q := range p.Outside {
			again.Points = append(again.Points, [3]float64{q.X, q.Y, 0})
		}
		if b := p.Box; b != nil {
			again.Box = []float64{b.X0, b.Y0, b.X1, b.Y1}
		}
		text, err := json.Marshal(again) // which NaN and infinities can't be
		if err != nil {
			t.Fatal(err)
		}
		if q, err := parsePrompt(text); err != nil || !reflect.DeepEqual(p, q) {
			t.Errorf("%s: %+v, %v, want %+v", text, q, err, p)
		}
	})
}
