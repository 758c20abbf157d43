package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"image"
	"io"
	"log/slog"
	"net/http"
	"os"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/preprocess"
)

// classifier is what the server needs of an [infer.Session].
type classifier interface {
	Classify(ctx context.Context, img image.Image, k int) ([]infer.Prediction, error)
}

// limits bound what requests may cost.
type limits struct {
	concurrency int           // images that are classified at a time
	queue       int           // requests that may wait besides
	maxBytes    int64         // of a body
	maxBodies   int64         // bytes of all bodies that are here, whole or in part
	maxPixels   int           // of an image
	timeout     time.Duration // of a request, waiting included
}

const (
	// pixelBytes is what decoding needs for each pixel at most: 15 bytes for a progressive JPEG
	// (three samples and their coefficients), 16 for an interlaced PNG of 16 bits. Package
	// preprocess refuses images that need more than 32 MiB and 64 times their file.
	pixelBytes = 16
	// spareBytes is for connections, garbage and the program.
	spareBytes = 64 << 20
)

// memory is what requests can need together, in bytes. The garbage collector is told, or it
// would let the heap become twice as large.
func (l *limits) memory(s infer.Stats) int64 {
	return int64(l.concurrency)*int64(pixelBytes*l.maxPixels+s.ArenaBytes) + l.maxBodies + int64(s.WeightBytes) + spareBytes
}

// service answers requests.
type service struct {
	model    classifier
	limits   limits
	bodies   atomic.Int64  // bytes that bodies take
	places   chan struct{} // held from the end of the body to the answer
	slots    chan struct{} // held while an image is decoded and classified
	draining atomic.Bool   // /readyz says so
	closing  atomic.Bool   // clients are asked to close their connections
	metrics  *metrics
	log      *slog.Logger
}

func newService(m classifier, l limits, log *slog.Logger) *service {
	s := &service{
		model:  m,
		limits: l,
		places: make(chan struct{}, l.concurrency+l.queue),
		slots:  make(chan struct{}, l.concurrency),
		log:    log,
	}
	s.metrics = newMetrics(s)
	return s
}

// handler returns the routes.
func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	mux.Handle("POST /classify", s.metrics.instrument(http.HandlerFunc(s.classify)))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.Handle("GET /metrics", s.metrics.handler())
	return mux
}

// farewell asks a client to close its connection if the listener is closed.
func (s *service) farewell(w http.ResponseWriter) {
	if s.closing.Load() {
		w.Header().Set("Connection", "close")
	}
}

func (s *service) ready(w http.ResponseWriter, _ *http.Request) {
	s.farewell(w)
	if s.draining.Load() {
		http.Error(w, "shutting down", http.StatusServiceUnavailable)
		return
	}
	io.WriteString(w, "ok\n")
}

// prediction is a class as JSON has it.
type prediction struct {
	Label string  `json:"label"`
	Index int     `json:"index"`
	Score float32 `json:"score"` // probability, 0..1
}

func (s *service) classify(w http.ResponseWriter, r *http.Request) {
	start := time.Now()
	top, err := s.answer(w, r)
	if err != nil {
		s.fail(w, err)
		return
	}
	list := make([]prediction, len(top))
	for i, p := range top {
		list[i] = prediction{p.Label, p.Index, p.Score}
	}
	s.reply(w, http.StatusOK, map[string]any{"predictions": list, "milliseconds": time.Since(start).Seconds() * 1000})
}

func (s *service) answer(w http.ResponseWriter, r *http.Request) ([]infer.Prediction, error) {
	k, err := topK(r)
	if err != nil {
		return nil, err
	}
	if r.ContentLength > s.limits.maxBytes {
		return nil, s.tooLarge()
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.limits.timeout)
	defer cancel()
	var b body
	defer func() { s.bodies.Add(-int64(cap(b.data))) }()
	if err := s.read(w, r, &b); err != nil {
		return nil, err
	}
	// A place is taken when the body is here: clients that send slowly take none from others.
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	default:
		return nil, &problem{http.StatusServiceUnavailable, "too many requests are waiting"}
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	img, err := s.decode(ctx, b.data)
	if err != nil {
		return nil, err
	}
	defer s.metrics.inference(time.Now())
	return s.model.Classify(ctx, img, k)
}

// topK returns how many classes a request asks for.
func topK(r *http.Request) (int, error) {
	text := r.URL.Query().Get("k")
	if text == "" {
		return 5, nil
	}
	k, err := strconv.Atoi(text)
	if err != nil || k < 1 || k > 1000 {
		return 0, &problem{http.StatusBadRequest, fmt.Sprintf("k is %.20q, expected 1 to 1000", text)}
	}
	return k, nil
}

// body is what a client sends. Its capacity counts against maxBodies.
type body struct{ data []byte }

// firstBytes is what a body gets memory for before anything of it has arrived.
const firstBytes = 16 << 10

// read reads the body, which must arrive within the timeout. It takes memory as the bytes
// arrive, whatever length was announced.
func (s *service) read(w http.ResponseWriter, r *http.Request, b *body) error {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(s.limits.timeout)); err != nil {
		return err
	}
	from := http.MaxBytesReader(w, r.Body, s.limits.maxBytes)
	for {
		if len(b.data) == cap(b.data) {
			more := min(max(2*cap(b.data), firstBytes), int(s.limits.maxBytes)+1) // one more to see the end
			if s.bodies.Add(int64(more)) > s.limits.maxBodies {
				s.bodies.Add(-int64(more))
				return &problem{http.StatusServiceUnavailable, "too many bodies are on their way"}
			}
			old := b.data
			b.data = append(make([]byte, 0, more), old...)
			s.bodies.Add(-int64(cap(old)))
		}
		n, err := from.Read(b.data[len(b.data):cap(b.data)])
		b.data = b.data[:len(b.data)+n]
		var large *http.MaxBytesError
		switch {
		case err == nil:
		case errors.Is(err, io.EOF):
			// Left as it is, the deadline would cancel the request's context. After an error it
			// stays, because net/http reads what is left of the body before it sends the answer.
			return control.SetReadDeadline(time.Time{})
		case errors.As(err, &large):
			return s.tooLarge()
		case errors.Is(err, os.ErrDeadlineExceeded):
			return &problem{http.StatusRequestTimeout, "the body did not arrive in time"}
		default:
			return &problem{http.StatusBadRequest, "the body is incomplete"}
		}
	}
}

func (s *service) tooLarge() error {
	return &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", s.limits.maxBytes)}
}

// decode returns the image that a body holds, after looking at its size.
func (s *service) decode(ctx context.Context, body []byte) (image.Image, error) {
	config, _, err := image.DecodeConfig(bytes.NewReader(body))
	if err == nil && config.Width*config.Height > s.limits.maxPixels {
		return nil, &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the image has %d×%d pixels, expected at most %d", config.Width, config.Height, s.limits.maxPixels)}
	}
	img, err := preprocess.DecodeContext(ctx, body)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, &problem{http.StatusBadRequest, "the body is no PNG or JPEG that can be decoded: " + err.Error()}
	}
	return img, nil
}

// problem is an error that a client is told about.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

// statusClientClosed is what nginx logs for a client that did not wait for its answer.
const statusClientClosed = 499

func (s *service) fail(w http.ResponseWriter, err error) {
	var p *problem
	switch {
	case errors.As(err, &p):
	case errors.Is(err, preprocess.ErrImage):
		p = &problem{http.StatusBadRequest, err.Error()}
	case errors.Is(err, context.DeadlineExceeded):
		p = &problem{http.StatusGatewayTimeout, "the request took longer than " + s.limits.timeout.String()}
	case errors.Is(err, context.Canceled):
		p = &problem{statusClientClosed, "the client went away"}
	default: // the details are no business of the client
		s.log.Error("classification failed", "error", err)
		p = &problem{http.StatusInternalServerError, "classification failed"}
	}
	if p.status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "1")
	}
	s.reply(w, p.status, map[string]string{"error": p.text})
}

func (s *service) reply(w http.ResponseWriter, status int, v any) {
	s.farewell(w)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(v) // an error means that the client is gone
}
