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
	maxPixels   int           // of an image
	timeout     time.Duration // of a request, waiting included
}

// service answers requests.
type service struct {
	model    classifier
	limits   limits
	places   chan struct{} // held from acceptance to answer
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
	// A place is taken before the body is read, because bodies are what memory is used for.
	select {
	case s.places <- struct{}{}:
		defer func() { <-s.places }()
	default:
		return nil, &problem{http.StatusServiceUnavailable, "too many requests are waiting"}
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.limits.timeout)
	defer cancel()
	body, err := s.read(w, r)
	if err != nil {
		return nil, err
	}
	select {
	case s.slots <- struct{}{}:
		defer func() { <-s.slots }()
	case <-ctx.Done():
		return nil, ctx.Err()
	}
	img, err := s.decode(body)
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

// read returns the body, which must arrive within the timeout.
func (s *service) read(w http.ResponseWriter, r *http.Request) ([]byte, error) {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(s.limits.timeout)); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, s.limits.maxBytes))
	var large *http.MaxBytesError
	switch {
	case errors.As(err, &large):
		return nil, s.tooLarge()
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, &problem{http.StatusRequestTimeout, "the body did not arrive in time"}
	case err != nil:
		return nil, &problem{http.StatusBadRequest, "the body is incomplete"}
	}
	// Left as it is, the deadline would cancel the request's context. After an error it stays,
	// because net/http reads what is left of the body before it sends the answer.
	return body, control.SetReadDeadline(time.Time{})
}

func (s *service) tooLarge() error {
	return &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", s.limits.maxBytes)}
}

// decode returns the image that a body holds, after looking at its size.
func (s *service) decode(body []byte) (image.Image, error) {
	config, _, err := image.DecodeConfig(bytes.NewReader(body))
	if err == nil && config.Width*config.Height > s.limits.maxPixels {
		return nil, &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the image has %d×%d pixels, expected at most %d", config.Width, config.Height, s.limits.maxPixels)}
	}
	img, err := preprocess.Decode(bytes.NewReader(body))
	if err != nil {
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
