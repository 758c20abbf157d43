package infer

import (
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/native"
)

// mapped opens a network from a file.
func mapped(t *testing.T) *Session {
	t.Helper()
	path := filepath.Join(t.TempDir(), "m.safetensors")
	f, err := os.Create(path)
	if err == nil {
		err = native.Encode(f, tiny.deploy())
	}
	if err == nil {
		err = f.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := Open(path, Options{Threads: 2})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestCloseReleasesFile: with the last of a session and its clones, and after the runs that
// are going on.
func TestCloseReleasesFile(t *testing.T) {
	s := mapped(t)
	file := s.model.files[0]
	c, err := s.Clone(Options{})
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	s.Close()
	x := randomInput(1, 3, 32, 32)
	run(t, c, x)
	if file.Data == nil {
		t.Fatal("the file was released under a clone")
	}
	first := true
	err = c.Observe(t.Context(), x, func(*graph.Value, *graph.Tensor) error {
		if first {
			c.Close()
		}
		first = false
		if file.Data == nil {
			t.Fatal("the file was released during a run")
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if file.Data != nil {
		t.Error("the file was not released")
	}
	if _, err := c.Clone(Options{}); !errors.Is(err, ErrClosed) {
		t.Errorf("a clone of a closed session: %v", err)
	}
}

// TestGraphKeepsFile: weights that a caller may read stay.
func TestGraphKeepsFile(t *testing.T) {
	s := mapped(t)
	file, g := s.model.files[0], s.Graph()
	s.Close()
	if file.Data == nil {
		t.Error("the file was released under the graph")
	}
	sum := byte(0)
	for _, w := range g.Weights() {
		for _, b := range w.Const.Bytes() {
			sum += b
		}
	}
	_ = sum // reading must not fault
}

// TestConcurrentClose closes while runs begin.
func TestConcurrentClose(t *testing.T) {
	for range 20 {
		s := mapped(t)
		file := s.model.files[0]
		x := randomInput(1, 3, 32, 32)
		var wg sync.WaitGroup
		for range 3 {
			wg.Go(func() {
				for {
					if _, err := s.Run(t.Context(), x); err != nil {
						if !errors.Is(err, ErrClosed) {
							t.Error(err)
						}
						return
					}
				}
			})
		}
		s.Close()
		wg.Wait()
		if file.Data != nil {
			t.Fatal("the file was not released")
		}
	}
}
