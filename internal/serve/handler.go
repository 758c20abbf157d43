package serve

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"io"
	"log/slog"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/panics"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/internal/seen"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/sam"
)

// Limits bound what requests may cost.
type Limits struct {
	Concurrency int           // images that are looked at at a time, and as many prompts
	Queue       int           // requests that may wait besides; for prompts, which have runs of their own, as many again
	MaxBytes    int64         // of a body
	MaxBodies   int64         // bytes of all bodies that are here, whole or in part
	MaxPixels   int           // of an image
	Timeout     time.Duration // of a request, waiting included
	MaxImages   int           // that are kept for prompts
	Keep        time.Duration // how long one is, after it was last asked about
}

// pixelBytes is what decoding needs for each pixel at most: 15 bytes for a progressive JPEG
// (three samples and their coefficients), 16 for an interlaced PNG or a TIFF of 16 bits. Package
// preprocess refuses images that need more than 32 MiB and 64 times their file.
const pixelBytes = 16

// spareBytes is for connections, garbage and the program.
const spareBytes = 64 << 20

// idleBytes is what a session keeps for images of other sizes and prompts of other lengths than the last
// ones, see [infer.Options].
const idleBytes = 64 << 20

// memory is what requests can need together, in bytes, with a model. The garbage collector is told, or it
// would let the heap become twice as large.
func (l *Limits) memory(m *loaded) int64 {
	s := m.stats()
	pixels := int64(pixelBytes * l.MaxPixels)
	n := int64(l.Concurrency)*(pixels+int64(s.ArenaBytes)+l.MaxBytes) + l.MaxBodies + int64(s.WeightBytes) + m.info.Bytes + spareBytes
	switch m.kind {
	case classifier: // images become one size
	case promptable: // masks that are made, and what is kept
		n += 2*idleBytes + int64(l.Concurrency)*pixels + int64(l.MaxImages)*m.embedding
	default:
		n += idleBytes
	}
	return n
}

// service answers requests.
type service struct {
	model    atomic.Pointer[loaded]
	limits   Limits
	bodies   atomic.Int64 // bytes that bodies take
	lane                  // of images
	clicks   lane         // of prompts: no click waits for other people's images
	draining atomic.Bool  // /readyz says so
	closing  atomic.Bool  // clients are asked to close their connections
	photos   *photos
	meters   *meters
	log      *slog.Logger
}

// lane bounds the requests that are here at a time.
type lane struct {
	places chan struct{} // held from the end of the body to the answer
	slots  chan struct{} // held while an image is decoded and looked at, or a prompt answered
}

func (l *Limits) lane() lane {
	return lane{make(chan struct{}, l.Concurrency+l.Queue), make(chan struct{}, l.Concurrency)}
}

func newService(m *loaded, l Limits, log *slog.Logger) *service {
	s := &service{
		limits: l,
		lane:   l.lane(),
		clicks: l.lane(),
		photos: newPhotos(l),
		log:    log,
	}
	s.model.Store(m)
	s.meters = newMeters(s)
	return s
}

// handler returns the routes.
func (s *service) handler() http.Handler {
	mux := http.NewServeMux()
	for _, k := range []*kind{classifier, segmenter, detector} {
		mux.Handle("POST "+k.path, s.logged(func(w http.ResponseWriter, r *http.Request) { s.see(w, r, k) }))
	}
	mux.Handle("POST "+promptable.path, s.logged(s.embed))
	mux.Handle("POST "+prompted.path, s.logged(s.prompt))
	mux.Handle("DELETE /images/{id}", s.logged(s.forget))
	for path, f := range page {
		mux.Handle("GET "+path, s.logged(func(w http.ResponseWriter, _ *http.Request) { s.page(w, f) }))
	}
	mux.Handle("GET /model", s.logged(func(w http.ResponseWriter, _ *http.Request) { s.reply(w, http.StatusOK, s.model.Load().info) }))
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /readyz", s.ready)
	mux.HandleFunc("GET /metrics", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/plain; version=0.0.4")
		s.meters.write(w)
	})
	mux.Handle("/", s.logged(func(w http.ResponseWriter, r *http.Request) {
		s.fail(w, &problem{http.StatusNotFound, fmt.Sprintf("found %.10s %.80s, expected POST %s, or GET /model, /healthz, /readyz or /metrics", r.Method, r.URL.Path, s.model.Load().kind.path)})
	}))
	return mux
}

// logged counts, times and logs the answers of a handler.
func (s *service) logged(f http.HandlerFunc) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		start, noted := time.Now(), &noted{ResponseWriter: w, status: http.StatusOK}
		f(noted, r)
		d := time.Since(start)
		s.meters.request(noted.status, d)
		s.log.Info("request", "method", r.Method, "path", r.URL.RequestURI(), "status", noted.status, "bytes", noted.bytes,
			"ms", float64(d.Microseconds())/1e3, "client", r.RemoteAddr, "agent", r.UserAgent())
	})
}

// noted remembers what was answered.
type noted struct {
	http.ResponseWriter
	status int
	bytes  int64
}

func (n *noted) WriteHeader(status int) {
	n.status = status
	n.ResponseWriter.WriteHeader(status)
}

func (n *noted) Write(p []byte) (int, error) {
	k, err := n.ResponseWriter.Write(p)
	n.bytes += int64(k)
	return k, err
}

// Unwrap is for [http.NewResponseController].
func (n *noted) Unwrap() http.ResponseWriter { return n.ResponseWriter }

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

// see answers for the image in a request.
func (s *service) see(w http.ResponseWriter, r *http.Request, k *kind) {
	var a seen.Answer
	s.answer(w, r, k, func(ctx context.Context, m *loaded, q query, body []byte) (v any, picture image.Image, err error) {
		img, err := s.image(ctx, r, body, q.upright || k != classifier)
		if err != nil {
			return nil, nil, err
		}
		defer s.meters.inference(time.Now())
		if a, err = m.see(ctx, img, q); err != nil || q.as == "json" {
			return a, nil, err
		}
		picture, err = a.Picture(img)
		return a, picture, err
	})
}

// answer answers a request with what f makes of its body, as soon as the body is here and a slot is free:
// an object of JSON, or a picture where there is one.
func (s *service) answer(w http.ResponseWriter, r *http.Request, k *kind, f func(ctx context.Context, m *loaded, q query, body []byte) (v any, picture image.Image, err error)) {
	start := time.Now()
	var v any
	var file bytes.Buffer
	err := s.within(w, r, k, func(ctx context.Context, m *loaded, q query, body []byte) error {
		a, picture, err := f(ctx, m, q, body)
		if v = a; err == nil && picture != nil {
			err = encoder.Encode(&file, picture)
		}
		return err
	})
	switch {
	case err != nil:
		s.fail(w, err)
	case file.Len() > 0:
		s.farewell(w)
		w.Header().Set("Content-Type", "image/png")
		w.Write(file.Bytes()) // an error means that the client is gone
	default:
		s.reply(w, http.StatusOK, v, map[string]float64{"milliseconds": float64(time.Since(start).Microseconds()) / 1e3})
	}
}

// within runs f with a request's body.
func (s *service) within(w http.ResponseWriter, r *http.Request, k *kind, f func(ctx context.Context, m *loaded, q query, body []byte) error) (err error) {
	defer panics.Catch(&err, infer.ErrPanic)
	m, err := s.serves(k) // this one to the end, whatever is loaded meanwhile
	if err != nil {
		return err
	}
	q, err := k.parseQuery(r.URL.Query())
	if err != nil {
		return err
	}
	most := s.limits.MaxBytes
	if k.most > 0 {
		most = min(most, k.most)
	}
	if r.ContentLength > most {
		return tooLarge(most)
	}
	ctx, cancel := context.WithTimeout(r.Context(), s.limits.Timeout)
	defer cancel()
	var b body
	defer func() { s.bodies.Add(-int64(cap(b.data))) }()
	if err := s.read(w, r, &b, most); err != nil {
		return err
	}
	lane := s.lane
	if k == prompted {
		lane = s.clicks
	}
	// A place is taken when the body is here: clients that send slowly take none from others.
	select {
	case lane.places <- struct{}{}:
		defer func() { <-lane.places }()
	default:
		return &problem{http.StatusServiceUnavailable, "too many requests are waiting"}
	}
	select {
	case lane.slots <- struct{}{}:
		defer func() { <-lane.slots }()
	case <-ctx.Done():
		return ctx.Err()
	}
	return f(ctx, m, q, b.data)
}

// serves returns the model, if it is of a kind.
func (s *service) serves(k *kind) (*loaded, error) {
	m := s.model.Load()
	if m.kind.name != k.name {
		return nil, &problem{http.StatusNotFound, fmt.Sprintf("the model is a %s: POST %s", m.kind.name, m.kind.path)}
	}
	return m, nil
}

// encoder writes pictures: a click should not wait for the smallest file.
var encoder = png.Encoder{CompressionLevel: png.BestSpeed}

// image returns the image in a body.
func (s *service) image(ctx context.Context, r *http.Request, body []byte, upright bool) (image.Image, error) {
	data, err := imageOf(r.Header.Get("Content-Type"), body)
	if err != nil {
		return nil, err
	}
	return s.decode(ctx, data, upright)
}

// imageOf returns the image in a body: that of a form's first file, or all of it.
func imageOf(contentType string, data []byte) ([]byte, error) {
	kind, params, err := mime.ParseMediaType(contentType)
	if err != nil || kind != "multipart/form-data" {
		return data, nil
	}
	parts := multipart.NewReader(bytes.NewReader(data), params["boundary"])
	for range maxParts {
		part, err := parts.NextRawPart()
		if errors.Is(err, io.EOF) {
			return nil, badRequest("the form has no file, expected one such as curl -F image=@cat.jpg sends")
		}
		if err != nil {
			return nil, badRequest("the form is malformed: %v", err)
		}
		if part.FileName() == "" && part.FormName() != "image" {
			continue
		}
		file, err := io.ReadAll(part)
		if err != nil {
			return nil, badRequest("the form is incomplete: %v", err)
		}
		return file, nil
	}
	return nil, badRequest("the first %d parts of the form have no file", maxParts)
}

// maxParts is how many parts of a form are looked at.
const maxParts = 100

// body is what a client sends. Its capacity counts against MaxBodies.
type body struct{ data []byte }

// firstBytes is what a body gets memory for before anything of it has arrived.
const firstBytes = 16 << 10

// read reads the body, which must arrive within the timeout. It takes memory as the bytes
// arrive, whatever length was announced.
func (s *service) read(w http.ResponseWriter, r *http.Request, b *body, most int64) error {
	control := http.NewResponseController(w)
	if err := control.SetReadDeadline(time.Now().Add(s.limits.Timeout)); err != nil {
		return err
	}
	from := http.MaxBytesReader(w, r.Body, most)
	for {
		if len(b.data) == cap(b.data) {
			more := min(max(2*cap(b.data), firstBytes), int(most)+1) // one more to see the end
			if s.bodies.Add(int64(more)) > s.limits.MaxBodies {
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
			return tooLarge(most)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return &problem{http.StatusRequestTimeout, "the body did not arrive in time"}
		default:
			return &problem{http.StatusBadRequest, "the body is incomplete"}
		}
	}
}

func tooLarge(most int64) error {
	return &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the body has more than %d bytes", most)}
}

// decode returns an image, after looking at its size.
func (s *service) decode(ctx context.Context, data []byte, upright bool) (image.Image, error) {
	config, _, err := image.DecodeConfig(bytes.NewReader(data))
	if err == nil && config.Width*config.Height > s.limits.MaxPixels {
		return nil, &problem{http.StatusRequestEntityTooLarge, fmt.Sprintf("the image has %d×%d pixels, expected at most %d", config.Width, config.Height, s.limits.MaxPixels)}
	}
	decode := preprocess.DecodeContext
	if upright {
		decode = preprocess.DecodeUpright
	}
	img, err := decode(ctx, data)
	switch {
	case ctx.Err() != nil:
		return nil, ctx.Err()
	case err != nil:
		return nil, badRequest("the body is no image that can be decoded: %v", err)
	}
	return img, nil
}

// problem is an error that a client is told about.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

func badRequest(format string, args ...any) error {
	return &problem{http.StatusBadRequest, fmt.Sprintf(format, args...)}
}

// statusClientClosed is what nginx logs for a client that did not wait for its answer.
const statusClientClosed = 499

func (s *service) fail(w http.ResponseWriter, err error) {
	var p *problem
	switch {
	case errors.As(err, &p):
	case errors.Is(err, preprocess.ErrImage), errors.Is(err, sam.ErrPrompt):
		p = &problem{http.StatusBadRequest, err.Error()}
	case errors.Is(err, graph.ErrTooLarge):
		p = &problem{http.StatusRequestEntityTooLarge, "the network would need more memory for this than it may take; fewer points or a smaller image need less"}
	case errors.Is(err, context.DeadlineExceeded):
		p = &problem{http.StatusGatewayTimeout, "the request took longer than " + s.limits.Timeout.String()}
	case errors.Is(err, context.Canceled):
		p = &problem{statusClientClosed, "the client went away"}
	default: // the details are no business of the client
		s.log.Error("the network failed", "error", err)
		p = &problem{http.StatusInternalServerError, "the network failed"}
	}
	kind := "failed"
	switch {
	case p.status == http.StatusServiceUnavailable:
		w.Header().Set("Retry-After", "1")
		kind = "busy"
	case p.status < 500:
		kind = "usage"
	}
	s.reply(w, p.status, map[string][]cli.Problem{"errors": {{Kind: kind, Message: printable.Line(p.text)}}})
}

// reply answers with one JSON object, in the form of the commands.
func (s *service) reply(w http.ResponseWriter, status int, v ...any) {
	s.farewell(w)
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	object, err := cli.Merge(v...)
	if err != nil {
		s.log.Error("no answer", "error", err)
		status, object = http.StatusInternalServerError, []byte("{}")
	}
	w.WriteHeader(status)
	cli.PrintJSON(w, object) // an error means that the client is gone
}
