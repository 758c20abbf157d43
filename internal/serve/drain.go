package serve

import (
	"context"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// http.Server.Shutdown alone loses requests: connections that wait in the kernel to be
// accepted are reset when it closes the listener, and requests that arrive on accepted ones
// after that are dropped. So the listener is emptied before it is closed, and Shutdown is
// called when no connection has a request that is not answered or may be about to send one.

// listener is a TCP listener that can stop without resetting connections.
type listener struct {
	*net.TCPListener
	stopping atomic.Bool
}

// quietTime is how long nobody may have connected, twice in a row, before a listener that is
// to stop closes.
const quietTime = 2 * time.Millisecond

// Accept returns the next connection, and [net.ErrClosed] once the listener has stopped.
func (l *listener) Accept() (net.Conn, error) {
	misses := 0
	for {
		stopping := l.stopping.Load()
		if stopping {
			l.SetDeadline(time.Now().Add(quietTime))
		}
		c, err := l.TCPListener.Accept()
		if !errors.Is(err, os.ErrDeadlineExceeded) {
			return c, err
		}
		if !stopping {
			continue // stop woke this call
		}
		if misses++; misses == 2 {
			l.Close()
			return nil, net.ErrClosed
		}
	}
}

// stop makes Accept return the connections that are waiting and then close the listener.
func (l *listener) stop() {
	l.stopping.Store(true)
	l.SetDeadline(time.Now())
}

// connections knows which connections are going to need an answer.
type connections struct {
	mu      sync.Mutex
	busy    map[net.Conn]bool
	changed time.Time // when a connection last began or ended being busy
}

// pause is how long a client that keeps its connection may take between an answer and its
// next request, which tells it to close the connection.
const pause = 250 * time.Millisecond

// track is a hook for [http.Server.ConnState]. A new connection counts as busy: its request
// is on the way, or ReadHeaderTimeout closes it.
func (c *connections) track(conn net.Conn, state http.ConnState) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.changed = time.Now()
	switch state {
	case http.StateNew, http.StateActive:
		c.busy[conn] = true
	default:
		delete(c.busy, conn)
	}
}

// wait returns when no connection has been busy for a pause, or with the context's error.
func (c *connections) wait(ctx context.Context) error {
	start := time.Now()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	for {
		c.mu.Lock()
		quiet := len(c.busy) == 0 && time.Since(c.changed) >= pause && time.Since(start) >= pause
		c.mu.Unlock()
		if quiet {
			return nil
		}
		select {
		case <-tick.C:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}
