package interop

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/verify"
	"github.com/repvit-go/repvit/verify/reference"
)

// conformance is where Debian's libonnx-testdata has ONNX's own tests.
const conformance = "/usr/share/libonnx-testdata/data"

// conforming is how many of them pass.
const conforming = 471

// TestConformance runs ONNX's conformance tests. Each is computed as ONNX says by both
// engines, or refused by both as unsupported; nothing of it is called malformed.
func TestConformance(t *testing.T) {
	need(t, "Debian's libonnx-testdata", func() error { _, err := os.Stat(conformance); return err })
	need(t, "Debian's python3-onnx", checkerThere)
	dir := t.TempDir()
	passed, refused := 0, 0
	for _, line := range strings.Split(strings.TrimSpace(run(t, "/usr/bin/python3", "conformance.py", conformance, dir)), "\n") {
		name, model, _ := strings.Cut(line, " ")
		var results []error
		for _, engine := range []string{"infer", "reference"} {
			err := conforms(model, filepath.Join(dir, name), engine)
			if err != nil && !errors.Is(err, graph.ErrUnsupported) && !errors.Is(err, npy.ErrUnsupported) {
				t.Errorf("%s, %s: %v", name, engine, err)
			}
			results = append(results, err)
		}
		switch {
		case (results[0] == nil) != (results[1] == nil):
			t.Errorf("%s: infer: %v; reference: %v", name, results[0], results[1])
		case results[0] == nil:
			passed++
		default:
			refused++
		}
	}
	t.Logf("%d passed, %d refused", passed, refused)
	if passed < conforming {
		t.Errorf("%d tests pass, want %d or more", passed, conforming)
	}
}

// conforms runs one test.
func conforms(model, arrays, engine string) error {
	data, err := os.ReadFile(model)
	if err != nil {
		return err
	}
	m, err := onnx.Decode(data)
	if err != nil {
		return err
	}
	in, err := archive(arrays + ".in.npz")
	if err != nil {
		return err
	}
	want, err := archive(arrays + ".out.npz")
	if err != nil {
		return err
	}
	x, err := verify.InputsFor(m.Graph, in)
	if err != nil {
		return err
	}
	var e verify.Engine
	if engine == "infer" {
		s, err := infer.New(m.Graph, infer.Options{Threads: 1})
		if err != nil {
			return err
		}
		defer s.Close()
		e = s
	} else if e, err = reference.New(m.Graph, 1); err != nil {
		return err
	}
	got, err := verify.RunAll(context.Background(), e, x...)
	if err != nil {
		return err
	}
	for i, v := range m.Graph.Outputs {
		k := slices.IndexFunc(want, func(a npy.Array) bool { return a.Name == v.Name })
		if k < 0 {
			return fmt.Errorf("no output %q", v.Name)
		}
		if err := agrees(got[i], want[k].Tensor); err != nil {
			return fmt.Errorf("output %q: %w", v.Name, err)
		}
	}
	return nil
}

// agrees compares as the tests' own runner does: 1e-3 of the element and 1e-5 beside, with
// room for values that are float32 inside.
func agrees(got, want *graph.Tensor) error {
	if !slices.Equal(got.Shape, want.Shape) {
		return fmt.Errorf("shape %v, want %v", got.Shape, want.Shape)
	}
	w := want.Float64s()
	for i, v := range got.Float64s() {
		if !(math.Abs(v-w[i]) <= 1e-5+1e-3*math.Abs(w[i])) && v != w[i] && !(v != v && w[i] != w[i]) {
			return fmt.Errorf("element %d is %v, want %v", i, v, w[i])
		}
	}
	return nil
}

func archive(path string) ([]npy.Array, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return npy.ReadZip(data)
}
