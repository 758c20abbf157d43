package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"image"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"syscall"
	"time"

	"github.com/repvit-go/repvit/infer"
)

// config is what the flags say.
type config struct {
	model, addr                        string
	threads                            int
	limits                             limits
	drainDelay, drainTimeout, idleTime time.Duration
}

func main() {
	var c config
	flag.StringVar(&c.model, "model", "", "converted `file`, .safetensors or .onnx")
	flag.StringVar(&c.addr, "addr", ":8080", "`address` to listen at")
	flag.IntVar(&c.limits.concurrency, "concurrency", runtime.GOMAXPROCS(0), "images that are classified at a time")
	flag.IntVar(&c.threads, "threads", 1, "cores that one image may use")
	flag.IntVar(&c.limits.queue, "queue", 64, "requests that may wait besides")
	flag.Int64Var(&c.limits.maxBytes, "max-bytes", 8<<20, "largest request body")
	flag.Int64Var(&c.limits.maxBodies, "max-bodies", 128<<20, "bytes of all request bodies together")
	flag.IntVar(&c.limits.maxPixels, "max-pixels", 32<<20, "largest image")
	flag.DurationVar(&c.limits.timeout, "timeout", 5*time.Second, "longest time for a request, waiting included")
	flag.DurationVar(&c.idleTime, "idle-timeout", time.Minute, "how long an unused connection stays open")
	flag.DurationVar(&c.drainDelay, "drain-delay", 2*time.Second, "how long requests are still accepted when shutting down")
	flag.DurationVar(&c.drainTimeout, "drain-timeout", 30*time.Second, "how long accepted requests may take when shutting down")
	flag.Parse()
	if c.model == "" || flag.NArg() > 0 || c.limits.concurrency < 1 || c.limits.queue < 0 || c.limits.maxBytes < 1 || c.limits.maxBodies < 2*c.limits.maxBytes || c.limits.timeout <= 0 {
		flag.Usage()
		os.Exit(2)
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, c, log, nil); err != nil {
		log.Error("server failed", "error", err)
		os.Exit(1)
	}
}

// run serves until ctx is done and every accepted request is answered. It calls listening,
// where it is not nil, with the address.
func run(ctx context.Context, c config, log *slog.Logger, listening func(net.Addr)) error {
	session, err := infer.Open(c.model, infer.Options{Threads: c.threads})
	if err != nil {
		return err
	}
	defer session.Close()
	// The first run plans and allocates; no client should wait for that.
	if _, err := session.Classify(ctx, image.NewRGBA(image.Rect(0, 0, 64, 64)), 1); err != nil {
		return fmt.Errorf("%s: %w", c.model, err)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		debug.SetMemoryLimit(c.limits.memory(session.Stats()))
	}
	tcp, err := net.Listen("tcp", c.addr)
	if err != nil {
		return err
	}
	log.Info("listening", "address", tcp.Addr().String(), "model", c.model, "isa", session.Stats().ISA, "concurrency", c.limits.concurrency, "queue", c.limits.queue)
	if listening != nil {
		listening(tcp.Addr())
	}
	return serve(ctx, tcp.(*net.TCPListener), newService(session, c.limits, log), c, log)
}

// serve answers requests until ctx is done, then shuts down.
func serve(ctx context.Context, tcp *net.TCPListener, s *service, c config, log *slog.Logger) error {
	l := &listener{TCPListener: tcp}
	open := connections{busy: map[net.Conn]bool{}}
	server := &http.Server{
		Handler:           s.handler(),
		ConnState:         open.track,
		ReadHeaderTimeout: min(5*time.Second, c.limits.timeout),
		ReadTimeout:       c.limits.timeout + 5*time.Second,
		WriteTimeout:      2*c.limits.timeout + 5*time.Second,
		IdleTimeout:       c.idleTime,
		MaxHeaderBytes:    16 << 10,
		ErrorLog:          slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	s.draining.Store(true)
	log.Info("draining", "delay", c.drainDelay)
	time.Sleep(c.drainDelay)
	limit, cancel := context.WithTimeout(context.Background(), c.drainTimeout)
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
	log.Info("stopped", "error", err)
	return err
}
