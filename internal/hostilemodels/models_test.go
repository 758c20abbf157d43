package hostilemodels_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/hostilemodels"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/verify"
	"github.com/repvit-go/repvit/verify/reference"
)

// most bounds what a call may allocate in all, in bytes, most of which is garbage soon.
const most = 400 << 20

// allocated fails if f allocates more than it may.
func allocated(t *testing.T, what string, f func()) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > most {
		t.Errorf("%s allocated %d MiB", what, n>>20)
	}
}

// TestModels runs every file through everything that takes one. It gives an answer or an
// error of the kind wanted, in one line.
func TestModels(t *testing.T) {
	dir := t.TempDir()
	for _, m := range hostilemodels.Models() {
		t.Run(m.Name, func(t *testing.T) {
			path := filepath.Join(dir, m.Name)
			if err := os.WriteFile(path, m.Data, 0o666); err != nil {
				t.Fatal(err)
			}
			var f *load.File
			var err error
			allocated(t, "decoding", func() { f, err = load.Open(path, load.Options{}) })
			if err != nil {
				check(t, m, err)
				allocated(t, "infer.Open", func() { _, err = infer.Open(path, infer.Options{}) })
				check(t, m, err)
				return
			}
			defer f.Close()
			allocated(t, "counting", func() { _, err = model.Parts(f.Graph, 224, 224) })
			oneLine(t, err)
			// Inputs are of the usual size where the file lets its reader choose.
			shape := load.InputShape(f.Graph, 1, 224, 224)
			if n, err := graph.Numel(shape); err != nil || n > 1<<20 {
				if m.Err != graph.ErrTooLarge {
					t.Errorf("an input of %v, want %v", shape, m.Err)
				}
				return
			}
			x, err := verify.RandomInput(shape, 1)
			if err != nil {
				t.Fatal(err)
			}
			var fast, exact error
			allocated(t, "infer", func() {
				fast = runs(func() (verify.Engine, error) { return infer.New(f.Graph, infer.Options{}) }, x)
			})
			allocated(t, "reference", func() {
				exact = runs(func() (verify.Engine, error) { return reference.New(f.Graph, 0) }, x)
			})
			check(t, m, fast, exact)
		})
	}
}

// runs makes an engine and has it run the network in both ways.
func runs(start func() (verify.Engine, error), x *graph.Tensor) error {
	e, err := start()
	if err != nil {
		return err
	}
	if s, ok := e.(*infer.Session); ok {
		defer s.Close()
	}
	if x, err = verify.Fit(e.Graph(), x); err != nil {
		return nil // not an input that a command can make
	}
	if _, err := e.Run(context.Background(), x); err != nil {
		return err
	}
	return e.Observe(context.Background(), x, func(*graph.Value, *graph.Tensor) error { return nil })
}

// check compares what readers and engines answered with what is wanted: an error of that
// kind from one of them at least. Others may find a network too large, or may have an answer.
func check(t *testing.T, m hostilemodels.Model, errs ...error) {
	t.Helper()
	found := m.Err == nil
	for _, err := range errs {
		oneLine(t, err)
		found = found || errors.Is(err, m.Err)
		if err != nil && (m.Err == nil || !errors.Is(err, m.Err) && !errors.Is(err, graph.ErrTooLarge)) {
			t.Errorf("%v, want %v", err, m.Err)
		}
	}
	if !found {
		t.Errorf("%v, want %v", errs, m.Err)
	}
}

func oneLine(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if errors.Is(err, infer.ErrPanic) || errors.Is(err, reference.ErrPanic) || len(err.Error()) > 1000 {
		t.Errorf("%v", err)
	}
	if text := err.Error(); strings.Contains(text, "goroutine ") {
		t.Errorf("%q, want one line", text)
	}
}
