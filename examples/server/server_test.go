package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/native"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
)

var quiet = slog.New(slog.DiscardHandler)

func defaults() limits {
	return limits{concurrency: 2, queue: 2, maxBytes: 1 << 20, maxBodies: 8 << 20, maxPixels: 1 << 20, timeout: 10 * time.Second}
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

func (f *fake) Classify(ctx context.Context, _ image.Image, k int) ([]infer.Prediction, error) {
	f.started <- struct{}{}
	select {
	case <-f.finish:
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	if f.err != nil {
		return nil, f.err
	}
	return make([]infer.Prediction, k), nil
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

func start(t testing.TB, m classifier, l limits) (*service, string) {
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

// converted writes the native form of a checkpoint of ten classes and returns its path.
func converted(t testing.TB) string {
	t.Helper()
	f, err := pytorch.Open("../../testdata/v2_release.pth")
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
	var b bytes.Buffer
	if err := native.Encode(&b, reparam.Fuse(m.Graph)); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "m.safetensors")
	if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestClassify(t *testing.T) {
	session, err := infer.Open(converted(t), infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	_, url := start(t, session, defaults())
	r, body := post(t, url+"/classify?k=3", bytes.NewReader(picture(t, 80, 60)))
	var got struct {
		Predictions  []prediction
		Milliseconds float64
	}
	if err := json.Unmarshal([]byte(body), &got); err != nil || r.StatusCode != http.StatusOK {
		t.Fatalf("%s: %s (%v)", r.Status, body, err)
	}
	if len(got.Predictions) != 3 || got.Milliseconds <= 0 {
		t.Fatalf("got %+v", got)
	}
	img, err := png.Decode(bytes.NewReader(picture(t, 80, 60)))
	if err != nil {
		t.Fatal(err)
	}
	want, err := session.Classify(context.Background(), img, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, p := range want {
		if got.Predictions[i] != (prediction{p.Label, p.Index, p.Score}) {
			t.Errorf("class %d: got %+v, want %+v", i, got.Predictions[i], p)
		}
	}
}

func TestRefusals(t *testing.T) {
	f := newFake()
	l := defaults()
	l.maxBytes, l.maxPixels = 5000, 100*100
	s, url := start(t, f, l)
	close(f.finish)
	bomb := picture(t, 2000, 101) // few bytes, many pixels
	if int64(len(bomb)) > l.maxBytes {
		t.Fatalf("the image has %d bytes", len(bomb))
	}
	chunked := func(b []byte) io.Reader { return io.MultiReader(bytes.NewReader(b)) } // without Content-Length
	for _, c := range []struct {
		name, query string
		body        io.Reader
		status      int
		text        string
	}{
		{"good", "", bytes.NewReader(picture(t, 20, 20)), 200, "predictions"},
		{"empty", "", bytes.NewReader(nil), 400, "PNG or JPEG"},
		{"no image", "", strings.NewReader("GIF89a"), 400, "PNG or JPEG"},
		{"truncated", "", bytes.NewReader(picture(t, 90, 90)[:60]), 400, "PNG or JPEG"},
		{"too large", "", bytes.NewReader(make([]byte, 6000)), 413, "5000 bytes"},
		{"too large, chunked", "", chunked(make([]byte, 6000)), 413, "5000 bytes"},
		{"too many pixels", "", bytes.NewReader(bomb), 413, "2000×101"},
		{"k of zero", "?k=0", bytes.NewReader(picture(t, 20, 20)), 400, "1 to 1000"},
		{"k of words", "?k=many", bytes.NewReader(picture(t, 20, 20)), 400, "1 to 1000"},
	} {
		r, body := post(t, url+"/classify"+c.query, c.body)
		if r.StatusCode != c.status || !strings.Contains(body, c.text) || !json.Valid([]byte(body)) {
			t.Errorf("%s: %s %s, want %d with %q", c.name, r.Status, body, c.status, c.text)
		}
	}
	if code, _ := get(t, url+"/classify"); code != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d", code)
	}
	if len(s.places) != 0 || len(s.slots) != 0 {
		t.Errorf("%d places and %d slots are still held", len(s.places), len(s.slots))
	}
}

func TestFailure(t *testing.T) {
	f := newFake()
	f.err = errors.New("secret path /model")
	close(f.finish)
	_, url := start(t, f, defaults())
	r, body := post(t, url+"/classify", bytes.NewReader(picture(t, 20, 20)))
	if r.StatusCode != 500 || strings.Contains(body, "secret") {
		t.Errorf("%s %s", r.Status, body)
	}
}

// TestQueue fills every place, looks at the refusal, and lets all waiting requests through.
func TestQueue(t *testing.T) {
	f := newFake()
	s, url := start(t, f, defaults())
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
	l.timeout = time.Second
	l.concurrency = 1
	f := newFake()
	s, url := start(t, f, l)
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
	l.timeout = 50 * time.Millisecond
	_, url := start(t, newFake(), l)
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
	s, url := start(t, f, defaults())
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
	l.maxBodies = 2 << 20
	s, url := start(t, f, l)
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
	_, url := start(t, f, defaults())
	post(t, url+"/classify", bytes.NewReader(picture(t, 20, 20)))
	post(t, url+"/classify", strings.NewReader("no image"))
	code, text := get(t, url+"/metrics")
	for _, want := range []string{
		`repvit_requests_total{code="200"} 1`, `repvit_requests_total{code="400"} 1`, `repvit_request_seconds_count{code="200"} 1`,
		"repvit_inference_seconds_count 1", "repvit_requests_in_flight 0", "repvit_body_bytes 0", "repvit_inferences_in_flight 0", "go_goroutines ",
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
	c := config{limits: l, drainDelay: 100 * time.Millisecond, drainTimeout: 10 * time.Second, idleTime: time.Second}
	s := newService(f, l, quiet)
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	url := "http://" + listener.Addr().String()
	ctx, stop := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- serve(ctx, listener.(*net.TCPListener), s, c, quiet) }()
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
		served <- serve(ctx, tcp.(*net.TCPListener), newService(f, l, quiet), config{limits: l, drainTimeout: 10 * time.Second, idleTime: time.Second}, quiet)
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

// TestRun starts the whole program with a real model.
func TestRun(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	address := make(chan net.Addr, 1)
	done := make(chan error, 1)
	c := config{model: converted(t), addr: "127.0.0.1:0", threads: 1, limits: defaults(), drainTimeout: time.Second}
	go func() { done <- run(ctx, c, quiet, func(a net.Addr) { address <- a }) }()
	select {
	case a := <-address:
		if r, body := post(t, "http://"+a.String()+"/classify", bytes.NewReader(picture(t, 20, 20))); r.StatusCode != 200 {
			t.Errorf("%s %s", r.Status, body)
		}
	case err := <-done:
		t.Fatal(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
	c.model = "no such file"
	if err := run(context.Background(), c, quiet, nil); err == nil {
		t.Error("a missing model is no error")
	}
}
