package serve

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/detect"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/seen"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/segment"
)

var quiet = slog.New(slog.DiscardHandler)

func defaults() Limits {
	return Limits{Concurrency: 2, Queue: 2, MaxBytes: 1 << 20, MaxBodies: 8 << 20, MaxPixels: 1 << 20, Timeout: 10 * time.Second, MaxImages: 2, Keep: time.Minute}
}

// fake is a classifier that runs as long as the test wants.
type fake struct {
	started chan struct{} // receives for each run that begins
	finish  chan struct{} // each run takes one, or ends with its context
	err     error
}

func newFake() *fake {
	return &fake{started: make(chan struct{}, 100), finish: make(chan struct{}, 100)}
}

// model is one that is a classifier.
func (f *fake) model() *loaded {
	return &loaded{kind: classifier, info: info{Loaded: time.Now()}, see: f.see, stats: func() infer.Stats { return infer.Stats{} }}
}

func (f *fake) see(ctx context.Context, _ image.Image, q query) (seen.Answer, error) {
	f.started <- struct{}{}
	select {
	case <-f.finish:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f.err != nil {
		return nil, f.err
	}
	return seen.ClassesOf(make([]infer.Prediction, q.top)), nil
}

// picture returns a PNG.
func picture(t testing.TB, w, h int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, w, h))
	for x := range w {
		img.Set(x, x*h/w, color.RGBA{uint8(x), 99, 5, 255})
	}
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func start(t testing.TB, m *loaded, l Limits) (*service, string) {
	t.Helper()
	s := newService(m, l, quiet)
	server := httptest.NewServer(s.handler())
	t.Cleanup(server.Close)
	return s, server.URL
}

func post(t testing.TB, url string, body io.Reader) (*http.Response, string) {
	t.Helper()
	r, err := http.Post(url, "application/octet-stream", body)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Body.Close()
	b, err := io.ReadAll(r.Body)
	if err != nil {
		t.Fatal(err)
	}
	return r, string(b)
}

func get(t testing.TB, url string) (int, string) {
	t.Helper()
	r, err := http.Get(url)
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

// converted writes what a checkpoint becomes, for images of the size given, and returns its path.
func converted(t testing.TB, checkpoint string, size int) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if _, err := convert.File(t.Context(), "../../testdata/"+checkpoint, path, convert.Options{Model: model.Options{Height: size, Width: size}}); err != nil {
		t.Fatal(err)
	}
	return path
}

func opened(t testing.TB, paths ...string) *loaded {
	t.Helper()
	m, err := load(t.Context(), paths, infer.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// answer is what all networks give.
type answer struct {
	Schema              int
	Classes, Detections []seen.Thing
	Height, Width       int
	Milliseconds        float64
}

func ask(t testing.TB, url string, picture []byte) (a answer) {
	t.Helper()
	r, body := post(t, url, bytes.NewReader(picture))
	if err := json.Unmarshal([]byte(body), &a); err != nil || r.StatusCode != http.StatusOK || a.Schema != cli.Schema || a.Milliseconds <= 0 {
		t.Fatalf("%s: %s (%v)", r.Status, body, err)
	}
	return a
}

func TestClassify(t *testing.T) {
	path := converted(t, "v2_release.pth", 64)
	_, url := start(t, opened(t, path), defaults())
	got := ask(t, url+"/classify?top=3", picture(t, 80, 60))
	session, err := infer.Open(path, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	img, err := png.Decode(bytes.NewReader(picture(t, 80, 60)))
	if err != nil {
		t.Fatal(err)
	}
	top, err := session.Classify(context.Background(), img, 3)
	if err != nil {
		t.Fatal(err)
	}
	if want := seen.ClassesOf(top).Classes; !reflect.DeepEqual(got.Classes, want) {
		t.Errorf("got %+v, want %+v", got.Classes, want)
	}
	if got := ask(t, url+"/classify", picture(t, 80, 60)); len(got.Classes) != 5 {
		t.Errorf("%d classes without top, want 5", len(got.Classes))
	}
	turned, err := os.ReadFile("../../preprocess/testdata/turned.jpg")
	if err != nil {
		t.Fatal(err)
	}
	stored, upright := ask(t, url+"/classify", turned), ask(t, url+"/classify?upright=true", turned)
	if reflect.DeepEqual(stored.Classes, upright.Classes) {
		t.Error("an image is the same, turned and not")
	}
}

// TestDense: segmenters and detectors answer what segment and detect say.
func TestDense(t *testing.T) {
	file, err := os.ReadFile("../../testdata/dense/images/019.png")
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	size := img.Bounds().Size()

	path := converted(t, "dense/scenes_seg.pth", 128)
	_, url := start(t, opened(t, path), defaults())
	s, err := segment.Open(path, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	want, err := s.Segment(t.Context(), img)
	if err != nil {
		t.Fatal(err)
	}
	got := ask(t, url+"/segment", file)
	area := 0
	for _, c := range got.Classes {
		n := bytes.Count(want.Pix, []byte{uint8(c.Class)})
		if area += n; *c.Area != n || c.Label != want.Label(uint8(c.Class)) {
			t.Errorf("found %+v, want %d pixels of %s", c, n, want.Label(uint8(c.Class)))
		}
	}
	if area != size.X*size.Y || got.Height != size.Y || got.Width != size.X {
		t.Errorf("found %d pixels of %d×%d, want %v", area, got.Width, got.Height, size)
	}
	r, body := post(t, url+"/segment?as=classes", bytes.NewReader(file))
	numbers, err := png.Decode(strings.NewReader(body))
	if m, ok := numbers.(*image.Paletted); err != nil || !ok || !bytes.Equal(m.Pix, want.Pix) || r.Header.Get("Content-Type") != "image/png" {
		t.Errorf("%s, %T, %v: not the classes", r.Status, numbers, err)
	}
	if _, body = post(t, url+"/segment?as=overlay", bytes.NewReader(file)); !strings.HasPrefix(body, "\x89PNG") {
		t.Errorf("the overlay is no PNG: %.40q", body)
	}

	path = converted(t, "dense/scenes_det.pth", 128)
	_, url = start(t, opened(t, path), defaults())
	d, err := detect.Open(path, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	found, err := d.Detect(t.Context(), img)
	if err != nil || len(found) == 0 {
		t.Fatalf("%d objects, %v", len(found), err)
	}
	got = ask(t, url+"/detect?masks=1", file)
	if len(got.Detections) != len(found) {
		t.Fatalf("found %d objects, want %d", len(got.Detections), len(found))
	}
	for i, o := range found {
		if g := got.Detections[i]; g.Class != o.Class || g.Label != o.Label || *g.Score != o.Score || *g.Box != o.Box || g.Mask != o.Mask.String() || *g.Area != o.Mask.Area() {
			t.Errorf("object %d: %+v, want %+v", i, g, o)
		}
	}
	if got = ask(t, url+"/detect", file); got.Detections[0].Mask != "" {
		t.Error("masks that nobody asked for")
	}
	if r, body := post(t, url+"/classify", bytes.NewReader(file)); r.StatusCode != 404 || !strings.Contains(body, "the model is a detector: POST /detect") {
		t.Errorf("%s %s", r.Status, body)
	}
}

// TestForm sends an image as browsers and curl -F do.
func TestForm(t *testing.T) {
	f := newFake()
	close(f.finish)
	_, url := start(t, f.model(), defaults())
	for _, c := range []struct {
		name   string
		fill   func(w *multipart.Writer) error
		status int
		text   string
	}{
		{"a file behind a field", func(w *multipart.Writer) error {
			if err := w.WriteField("comment", "a cat"); err != nil {
				return err
			}
			part, err := w.CreateFormFile("photo", "cat.png")
			if err == nil {
				_, err = part.Write(picture(t, 20, 20))
			}
			return err
		}, 200, "classes"},
		{"a field named image", func(w *multipart.Writer) error { return w.WriteField("image", string(picture(t, 20, 20))) }, 200, "classes"},
		{"no file", func(w *multipart.Writer) error { return w.WriteField("comment", "a cat") }, 400, "the form has no file"},
		{"a file that is no image", func(w *multipart.Writer) error { return w.WriteField("image", "a cat") }, 400, "no image that can be decoded"},
	} {
		var b bytes.Buffer
		w := multipart.NewWriter(&b)
		if err := errors.Join(c.fill(w), w.Close()); err != nil {
			t.Fatal(err)
		}
		r, err := http.Post(url+"/classify", w.FormDataContentType(), &b)
		if err != nil {
			t.Fatal(err)
		}
		body, err := io.ReadAll(r.Body)
		r.Body.Close()
		if err != nil || r.StatusCode != c.status || !strings.Contains(string(body), c.text) {
			t.Errorf("%s: %s %s %v, want %d with %q", c.name, r.Status, body, err, c.status, c.text)
		}
	}
	for _, data := range []string{"", "--x", "--x\r\n\r\nabc", strings.Repeat("--x\r\n\r\n\r\n", 50_000)} {
		r, err := http.Post(url+"/classify", "multipart/form-data; boundary=x", strings.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		if r.Body.Close(); r.StatusCode != 400 {
			t.Errorf("%q: %s", data, r.Status)
		}
	}
}

// TestModel says what is served.
func TestModel(t *testing.T) {
	path := converted(t, "v2_release.pth", 64)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	_, url := start(t, opened(t, path), defaults())
	code, body := get(t, url+"/model")
	var got info
	if err := json.Unmarshal([]byte(body), &got); err != nil || code != 200 {
		t.Fatalf("%d %s %v", code, body, err)
	}
	if got.Kind != "classifier" || got.Path != "/classify" || got.File != path || got.Bytes != int64(len(data)) || got.SHA256 != fmt.Sprintf("%x", sha256.Sum256(data)) ||
		got.Classes != 10 || got.Engine.ISA == "" || got.Engine.Threads != 1 || got.Format != "native" || !strings.Contains(string(got.Preprocess), `"height":64`) {
		t.Errorf("%s", body)
	}
}

// TestLoadErrors: what can't be served is refused before anything listens.
func TestLoadErrors(t *testing.T) {
	sam := converted(t, "sam/edge_sam.pth", 160)
	for path, text := range map[string]string{
		"none.onnx":                      "none.onnx: ",
		"server_test.go":                 "server_test.go: ",
		"../../testdata/v2_release.pth":  "expected a converted model: repvit convert",
		convert.PartPath(sam, "decoder"): "expected a classifier, a segmenter or a detector",
		convert.PartPath(sam, "encoder"): "expected a classifier, a segmenter or a detector",
	} {
		if _, err := load(t.Context(), []string{path}, infer.Options{}); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v, want %q", path, err, text)
		}
	}
}

func TestRefusals(t *testing.T) {
	f := newFake()
	l := defaults()
	l.MaxBytes, l.MaxPixels = 5000, 100*100
	s, url := start(t, f.model(), l)
	close(f.finish)
	bomb := picture(t, 2000, 101) // few bytes, many pixels
	if int64(len(bomb)) > l.MaxBytes {
		t.Fatalf("the image has %d bytes", len(bomb))
	}
	chunked := func(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b)) } // without Content-Length
	for _, c := range []struct {
		name, query string
		body        io.Reader
		status      int
		text        string
	}{
		{"good", "", bytes.NewReader(picture(t, 20, 20)), 200, "classes"},
		{"empty", "", bytes.NewReader(nil), 400, "no image that can be decoded"},
		{"no image", "", strings.NewReader("GIF89a"), 400, "no image that can be decoded"},
		{"truncated", "", bytes.NewReader(picture(t, 90, 90)[:60]), 400, "no image that can be decoded"},
		{"too large", "", bytes.NewReader(make([]byte, 6000)), 413, "5000 bytes"},
		{"too large, chunked", "", chunked(make([]byte, 6000)), 413, "5000 bytes"},
		{"too many pixels", "", bytes.NewReader(bomb), 413, "2000×101"},
		{"top of zero", "?top=0", bytes.NewReader(picture(t, 20, 20)), 400, "a number of classes"},
		{"top of words", "?top=many", bytes.NewReader(picture(t, 20, 20)), 400, "a number of classes"},
		{"upright of words", "?upright=maybe", bytes.NewReader(picture(t, 20, 20)), 400, "true or false"},
		{"an unknown parameter", "?k=5", bytes.NewReader(picture(t, 20, 20)), 400, "expected none but top or upright for a classifier"},
		{"another's parameter", "?masks=1", bytes.NewReader(picture(t, 20, 20)), 400, "masks"},
	} {
		r, body := post(t, url+"/classify"+c.query, c.body)
		if r.StatusCode != c.status || !strings.Contains(body, c.text) || !json.Valid([]byte(body)) {
			t.Errorf("%s: %s %s, want %d with %q", c.name, r.Status, body, c.status, c.text)
		}
	}
	if code, body := get(t, url+"/classify"); code != http.StatusNotFound || !strings.Contains(body, "expected POST /classify") {
		t.Errorf("GET: %d %s", code, body)
	}
	if len(s.places) != 0 || len(s.slots) != 0 {
		t.Errorf("%d places and %d slots are still held", len(s.places), len(s.slots))
	}
}

func TestFailure(t *testing.T) {
	f := newFake()
	f.err = errors.New("secret path /model")
	close(f.finish)
	_, url := start(t, f.model(), defaults())
	r, body := post(t, url+"/classify", bytes.NewReader(picture(t, 20, 20)))
	if r.StatusCode != 500 || strings.Contains(body, "secret") {
		t.Errorf("%s %s", r.Status, body)
	}
}

// TestQueue fills every place, looks at the refusal, and lets all waiting requests through.
func TestQueue(t *testing.T) {
	f := newFake()
	s, url := start(t, f.model(), defaults())
	var wg sync.WaitGroup
	codes := make(chan int, 4)
	for range 4 {
		wg.Go(func() {
			r, _ := post(t, url+"/classify", bytes.NewReader(picture(t, 20, 20)))
			codes <- r.StatusCode
		})
	}
	<-f.started
	<-f.started
	for len(s.places) < 4 {
		time.Sleep(time.Millisecond)
	}
	r, body := post(t, url+"/classify", bytes.NewReader(picture(t, 20, 20)))
	if r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("%s %s, Retry-After %q", r.Status, body, r.Header.Get("Retry-After"))
	}
	if len(f.started) != 0 {
		t.Error("more runs at a time than allowed")
	}
	for range 4 {
		f.finish <- struct{}{}
	}
	wg.Wait()
	for range 4 {
		if c := <-codes; c != 200 {
			t.Errorf("a request that had a place got %d", c)
		}
	}
}

func TestTimeout(t *testing.T) {
	l := defaults()
	l.Timeout = time.Second
	l.Concurrency = 1
	f := newFake()
	s, url := start(t, f.model(), l)
	var wg sync.WaitGroup
	for range 2 { // one runs too long, the other waits too long
		wg.Go(func() {
			if r, body := post(t, url+"/classify", bytes.NewReader(picture(t, 20, 20))); r.StatusCode != 504 {
				t.Errorf("%s %s", r.Status, body)
			}
		})
	}
	wg.Wait()
	if len(s.places) != 0 || len(s.slots) != 0 {
		t.Errorf("%d places and %d slots are still held", len(s.places), len(s.slots))
	}
}

func TestSlowBody(t *testing.T) {
	l := defaults()
	l.Timeout = 50 * time.Millisecond
	_, url := start(t, newFake().model(), l)
	c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	fmt.Fprintf(c, "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nabc")
	b := make([]byte, 100)
	n, _ := c.Read(b)
	if !strings.HasPrefix(string(b[:n]), "HTTP/1.1 408 ") {
		t.Errorf("%q", b[:n])
	}
}

// TestSlowClients: clients that announce bodies and do not send them take nothing from others.
func TestSlowClients(t *testing.T) {
	f := newFake()
	close(f.finish)
	s, url := start(t, f.model(), defaults())
	for range 100 {
		c, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\nabc")
	}
	for s.bodies.Load() < 100*firstBytes {
		time.Sleep(time.Millisecond)
	}
	for range 20 {
		if r, body := post(t, url+"/classify", bytes.NewReader(picture(t, 20, 20))); r.StatusCode != 200 {
			t.Fatalf("%s %s", r.Status, body)
		}
	}
}

// TestBodies: all bodies together take no more memory than allowed, and give it back.
func TestBodies(t *testing.T) {
	f := newFake()
	l := defaults()
	l.MaxBodies = 2 << 20
	s, url := start(t, f.model(), l)
	held, err := net.Dial("tcp", strings.TrimPrefix(url, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	fmt.Fprintf(held, "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n")
	if _, err := held.Write(make([]byte, 600_000)); err != nil {
		t.Fatal(err)
	}
	for s.bodies.Load() < 1<<20 {
		time.Sleep(time.Millisecond)
	}
	r, body := post(t, url+"/classify", bytes.NewReader(make([]byte, 1<<20)))
	if r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("%s %s", r.Status, body)
	}
	held.Close()
	for s.bodies.Load() > 0 {
		time.Sleep(time.Millisecond)
	}
	if r, body := post(t, url+"/classify", bytes.NewReader(make([]byte, 1<<20))); r.StatusCode != 400 {
		t.Errorf("%s %s", r.Status, body)
	}
}

func TestMetrics(t *testing.T) {
	f := newFake()
	close(f.finish)
	_, url := start(t, f.model(), defaults())
	post(t, url+"/classify", bytes.NewReader(picture(t, 20, 20)))
	post(t, url+"/classify", strings.NewReader("no image"))
	code, text := get(t, url+"/metrics")
	for _, want := range []string{
		`repvit_requests_total{code="200"} 1`, `repvit_requests_total{code="400"} 1`, `repvit_request_seconds_count{code="200"} 1`,
		"repvit_inference_seconds_count 1", "repvit_requests_in_flight 0", "repvit_body_bytes 0", "repvit_inferences_in_flight 0", "go_goroutines ",
		"repvit_model_loads_total 0", `repvit_request_seconds_bucket{code="200",le="+Inf"} 1`,
	} {
		if code != 200 || !strings.Contains(text, want) {
			t.Errorf("%d, %q is missing", code, want)
		}
	}
}

// TestShutdown stops the server while requests wait and run. All of them are answered,
// new ones are not accepted, and serve returns.
func TestShutdown(t *testing.T) {
	f := newFake()
	l := defaults()
	c := Config{Limits: l, DrainDelay: 100 * time.Millisecond, DrainTimeout: 10 * time.Second, IdleTime: time.Second, Log: quiet}
	s := newService(f.model(), l, quiet)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- c.serve(ctx, listener.(*net.TCPListener), s) }()
	if code, _ := get(t, url+"/readyz"); code != 200 {
		t.Fatalf("readyz: %d", code)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r, body := post(t, url+"/classify", bytes.NewReader(picture(t, 20, 20)))
			if r.StatusCode != 200 || !r.Close {
				t.Errorf("%s %s, connection to be closed: %v", r.Status, body, r.Close)
			}
		})
	}
	for len(s.places) < 4 {
		time.Sleep(time.Millisecond)
	}
	stop()
	for !s.draining.Load() {
		time.Sleep(time.Millisecond)
	}
	if code, _ := get(t, url+"/readyz"); code != 503 {
		t.Errorf("readyz while draining: %d", code)
	}
	if code, _ := get(t, url+"/healthz"); code != 200 {
		t.Errorf("healthz while draining: %d", code)
	}
	for {
		c, err := net.Dial("tcp", listener.Addr().String())
		if err != nil {
			break // the listener is closed
		}
		c.Close()
		time.Sleep(5 * time.Millisecond)
	}
	select {
	case err := <-served:
		t.Fatalf("stopped with requests unanswered: %v", err)
	default:
	}
	for range 4 {
		f.finish <- struct{}{}
	}
	wg.Wait()
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestBacklog stops a listener to which clients have connected that were not accepted yet.
func TestBacklog(t *testing.T) {
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	l := &listener{TCPListener: tcp.(*net.TCPListener)}
	for range 20 {
		c, err := net.Dial("tcp", tcp.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
	}
	l.stop()
	for i := range 20 {
		c, err := l.Accept()
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		c.Close()
	}
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("got %v", err)
	}
}

// TestLateRequest sends a request over a connection that was accepted before the listener
// closed, after it did.
func TestLateRequest(t *testing.T) {
	f := newFake()
	close(f.finish)
	l := defaults()
	tcp, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() {
		c := Config{Limits: l, DrainTimeout: 10 * time.Second, IdleTime: time.Second, Log: quiet}
		served <- c.serve(ctx, tcp.(*net.TCPListener), newService(f.model(), l, quiet))
	}()
	c, err := net.Dial("tcp", tcp.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	stop()
	for {
		d, err := net.Dial("tcp", tcp.Addr().String())
		if err != nil {
			break // the listener is closed
		}
		d.Close()
		time.Sleep(10 * time.Millisecond)
	}
	b := picture(t, 20, 20)
	fmt.Fprintf(c, "POST /classify HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", len(b), b)
	answer, err := io.ReadAll(c) // to the end: the server closes
	if !strings.HasPrefix(string(answer), "HTTP/1.1 200 ") || err != nil {
		t.Errorf("%.60q, %v", answer, err)
	}
	if err := <-served; err != nil {
		t.Error(err)
	}
}

// TestRun starts all of it with a real model, which is replaced while it is served.
func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	address, done, reload := make(chan net.Addr, 1), make(chan error, 1), make(chan os.Signal)
	path := converted(t, "v2_release.pth", 64)
	first, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	second, err := os.ReadFile(converted(t, "v1_release.pth", 64))
	if err != nil {
		t.Fatal(err)
	}
	log := &lines{}
	c := Config{Models: []string{path}, Addr: "127.0.0.1:0", Limits: defaults(), DrainTimeout: 10 * time.Second, Watch: 5 * time.Millisecond, Reload: reload,
		Log: slog.New(slog.NewTextHandler(log, nil)), listening: func(a net.Addr) { address <- a }}
	go func() { done <- Run(ctx, c) }()
	var url string
	select {
	case a := <-address:
		url = "http://" + a.String()
	case err := <-done:
		t.Fatal(err)
	}
	serves := func(data []byte) func() bool {
		sum := fmt.Sprintf("%x", sha256.Sum256(data))
		return func() bool {
			_, body := get(t, url+"/model")
			return strings.Contains(body, sum)
		}
	}
	until := func(what string, f func() bool) {
		t.Helper()
		for range 2000 {
			if f() {
				return
			}
			time.Sleep(5 * time.Millisecond)
		}
		t.Fatalf("%s does not happen; the log is\n%s", what, log.text())
	}
	write := func(data []byte) {
		t.Helper()
		if err := os.WriteFile(path, data, 0o666); err != nil { // in place, as cp does it
			t.Fatal(err)
		}
	}
	until("the first model", serves(first))
	old := ask(t, url+"/classify", picture(t, 20, 20))

	// Requests go on all the time, and none fails.
	asking, asked := context.WithCancel(context.Background())
	var wg sync.WaitGroup
	for range 2 {
		wg.Go(func() {
			for asking.Err() == nil {
				if r, body := post(t, url+"/classify", bytes.NewReader(picture(t, 20, 20))); r.StatusCode != 200 {
					t.Errorf("while the model is replaced: %s %s", r.Status, body)
				}
			}
		})
	}
	write(second)
	until("another model", serves(second))
	if now := ask(t, url+"/classify", picture(t, 20, 20)); reflect.DeepEqual(old.Classes, now.Classes) {
		t.Error("another model answers the same")
	}
	write(second[:len(second)/2])
	until("an error about the broken model", func() bool { return strings.Contains(log.text(), "the old one stays") })
	if !serves(second)() {
		t.Error("a broken model has replaced the old one")
	}
	write(first)
	until("the first model again", serves(first))
	asked()
	wg.Wait()

	loaded := func() int { return strings.Count(log.text(), "model loaded") }
	before := loaded()
	reload <- os.Interrupt // any one
	until("loading on a signal", func() bool { return loaded() > before })
	if _, text := get(t, url+"/metrics"); strings.Contains(text, "repvit_model_load_failures_total 0\n") {
		t.Errorf("metrics: %s", text)
	}
	if !strings.Contains(log.text(), "msg=request method=POST path=/classify status=200 bytes=") {
		t.Errorf("the log has no requests: %.400s", log.text())
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	c.Models = []string{"no such file"}
	if err := Run(context.Background(), c); err == nil {
		t.Error("a missing model is no error")
	}
}

// lines are those of a log.
type lines struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lines) text() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.String()
}
