// Package serve answers over HTTP what images show, with a network in its own process: the command
// repvit serve.
//
// # Limits
//
// Bodies take memory as their bytes arrive, all together at most MaxBodies. A request whose
// body is here holds one of Concurrency + Queue places until it is answered; clients that
// send slowly hold none. Without memory or a place a request is refused at once with 503 and
// Retry-After. At most Concurrency images are decoded and looked at at a time.
//
// So memory is bounded: MaxBodies; for each of the Concurrency runs 16 bytes for each of MaxPixels,
// which is what a progressive JPEG or an interlaced PNG of 16 bits needs while it is decoded, the file
// in a form once more, and one arena of the engine; the model; and 64 MiB. The garbage collector
// gets the sum as its limit, unless GOMEMLIMIT is set. With the defaults on two cores and M0.9 that
// is 1.2 GiB; under the worst images that fit, six clients at a time, the process was measured to
// take 1.3 to 1.4 GiB, and with photos of 640×480 114 MiB, 173 MiB after five reloads.
// Where photos of 8 megapixels are enough, 8388608 pixels save 0.75 GiB.
//
// A promptable segmenter answers prompts about images that were sent before. Of at most MaxImages it keeps
// the embedding, for Keep after the last request. Prompts have Concurrency runs and a Queue of their own, so that no
// click waits for other people's images, and another 16 bytes for each of MaxPixels in each of them.
//
// A request that takes longer than Timeout, waiting included, is answered with 504, or with
// 408 where it is the body that did not arrive. Decoding ends then, too, and when the client
// goes away.
//
// # Reloading
//
// On SIGHUP, or when the model's file is another than before and stays as it is for one interval, it
// is loaded and run once beside the old one. Then it takes the old one's place; requests that have
// begun end with the old one, and what is kept of images goes with it. A file that can't be used is logged, and the old model stays.
//
// # Shutting down
//
// On SIGTERM or SIGINT, /readyz fails, so that a load balancer looks elsewhere. After
// DrainDelay the listener closes, and answers ask clients to close their connections.
// Requests over connections that were accepted are answered before the process ends, for up
// to DrainTimeout.
package serve

import (
	"context"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/repvit-go/repvit/infer"
)

// Config says what is served, and how.
type Config struct {
	Models                   []string // paths: one, or an encoder and its decoder
	Addr                     string   // to listen at
	Engine                   infer.Options
	Limits                   Limits
	IdleTime                 time.Duration // how long an unused connection stays open
	DrainDelay, DrainTimeout time.Duration
	Watch                    time.Duration    // how often the file is looked at; 0 for never
	Reload                   <-chan os.Signal // asks for it
	Log                      *slog.Logger
	listening                func(net.Addr) // is told the address
}

// Run serves until ctx is done and every accepted request is answered.
func Run(ctx context.Context, c Config) error {
	before := signature(c.Models)
	m, err := load(ctx, c.Models, c.Engine)
	if err != nil {
		return err
	}
	if m.mixed {
		c.Log.Warn("the encoder and the decoder are of different checkpoints", "model", strings.Join(c.Models, " "))
	}
	c.limitMemory(m)
	tcp, err := net.Listen("tcp", c.Addr)
	if err != nil {
		return err
	}
	c.Log.Info("listening", "address", tcp.Addr().String(), "model", strings.Join(c.Models, " "), "kind", m.kind.name, "path", m.kind.path, "isa", m.info.Engine.ISA, "concurrency", c.Limits.Concurrency, "queue", c.Limits.Queue)
	if c.listening != nil {
		c.listening(tcp.Addr())
	}
	s := newService(m, c.Limits, c.Log)
	go s.photos.Start() // forgets what is old
	defer s.photos.Stop()
	watching, stop := context.WithCancel(ctx)
	watched := make(chan struct{})
	go func() {
		defer close(watched)
		c.watch(watching, s, before)
	}()
	err = c.serve(ctx, tcp.(*net.TCPListener), s)
	stop()
	<-watched
	return err
}

func (c *Config) limitMemory(m *loaded) {
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(c.Limits.memory(m))
	}
}

// watch loads the model again when it is asked to, or when the file has changed. before is the
// signature of the file that was loaded.
func (c *Config) watch(ctx context.Context, s *service, before string) {
	var tick <-chan time.Time
	if c.Watch > 0 {
		t := time.NewTicker(c.Watch)
		defer t.Stop()
		tick = t.C
	}
	last := before
	for {
		select {
		case <-ctx.Done():
			return
		case <-c.Reload:
		case <-tick:
			now := signature(c.Models)
			settled := now == last
			if last = now; now == before || !settled {
				continue // as it was, or being written
			}
		}
		before = signature(c.Models)
		last = before
		s.reload(ctx, c)
	}
}

// reload puts the model that the file holds now in the place of the old one, or keeps that.
func (s *service) reload(ctx context.Context, c *Config) {
	m, err := load(ctx, c.Models, c.Engine)
	if err == nil && m.mixed && !s.model.Load().mixed {
		err = errors.New("the encoder and the decoder are of different checkpoints: one of the files may be another already, and the other not yet")
	}
	switch {
	case ctx.Err() != nil:
	case err != nil:
		s.meters.failures.Inc()
		s.log.Error("the model was not loaded, the old one stays", "error", err)
	default:
		s.model.Store(m)
		s.photos.DeleteAll() // the new network has no use for what the old one made
		c.limitMemory(m)
		s.meters.loads.Inc()
		s.log.Info("model loaded", "model", strings.Join(c.Models, " "), "kind", m.kind.name, "path", m.kind.path, "sha256", m.info.SHA256)
	}
}

// serve answers requests until ctx is done, then shuts down.
func (c *Config) serve(ctx context.Context, tcp *net.TCPListener, s *service) error {
	l := &listener{TCPListener: tcp}
	open := connections{busy: map[net.Conn]bool{}}
	server := &http.Server{
		Handler:           s.handler(),
		ConnState:         open.track,
		ReadHeaderTimeout: min(5*time.Second, c.Limits.Timeout),
		ReadTimeout:       c.Limits.Timeout + 5*time.Second,
		WriteTimeout:      2*c.Limits.Timeout + 5*time.Second,
		IdleTimeout:       c.IdleTime,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(c.Log.Handler(), slog.LevelWarn),
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	s.draining.Store(true)
	c.Log.Info("draining", "delay", c.DrainDelay)
	time.Sleep(c.DrainDelay)
	limit, cancel := context.WithTimeout(context.Background(), c.DrainTimeout)
	defer cancel()
	// Clients keep their connections until the listener is closed: if they had to connect
	// again, some would be connecting in the instant in which it closes.
	l.stop()
	err := <-done
	if !errors.Is(err, net.ErrClosed) {
		return err
	}
	s.closing.Store(true)
	err = errors.Join(open.wait(limit), server.Shutdown(limit))
	c.Log.Info("stopped")
	return err
}
