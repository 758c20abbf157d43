package convertcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/npy"
)

// TestWild converts checkpoints of the kinds that people bring. What converts computes what
// PyTorch computed; what is refused leaves no file.
func TestWild(t *testing.T) { testCases(t, "../../../testdata/wild/") }

// TestFamilies does so with the families beside RepViT.
func TestFamilies(t *testing.T) { testCases(t, "../../../testdata/families/") }

func testCases(t *testing.T, dir string) {
	data, err := os.ReadFile(dir + "cases.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Name, File, Want, Message string
		Flags                     []string
	}
	if err := json.Unmarshal(data, &cases); err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) {
			out := filepath.Join(t.TempDir(), "m.safetensors")
			arrays := wanted(t, dir+c.Name)
			size := "32"
			if x := arrays["x"]; x != nil {
				size = fmt.Sprintf("%dx%d", x.Shape[2], x.Shape[3])
			}
			app := newApp()
			app.Writer, app.ErrWriter = io.Discard, io.Discard
			err := app.RunContext(context.Background(), slices.Concat([]string{"repvit-convert", "-q", "-o", out, "--size", size}, c.Flags, []string{dir + c.File}))
			if c.Want == "refused" {
				if err == nil || !regexp.MustCompile(c.Message).MatchString(err.Error()) || strings.Contains(err.Error(), "\n") {
					t.Errorf("error %v, want %q", err, c.Message)
				}
				if _, err := os.Stat(out); err == nil {
					t.Error("it was refused and written")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			compareOutputs(t, out, arrays)
		})
	}
}

// wanted reads the arrays that PyTorch computed; none for what is refused.
func wanted(t *testing.T, name string) map[string]*graph.Tensor {
	data, err := os.ReadFile(name + ".npz")
	if err != nil {
		return nil
	}
	arrays, err := npy.ReadZip(data)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]*graph.Tensor{}
	for _, a := range arrays {
		want[a.Name] = a.Tensor
	}
	return want
}

// compareOutputs runs a file and compares its outputs with the arrays y, or y0, y1, ….
func compareOutputs(t *testing.T, model string, want map[string]*graph.Tensor) {
	session, err := infer.Open(model, infer.Options{Threads: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer session.Close()
	got, err := session.RunAll(context.Background(), want["x"])
	if err != nil {
		t.Fatal(err)
	}
	for i, y := range got {
		name := "y"
		if len(want) > 2 || len(got) > 1 {
			name = fmt.Sprintf("y%d", i)
		}
		w := want[name]
		if w == nil || !slices.Equal(y.Shape, w.Shape) {
			t.Fatalf("%s has shape %v, want %v", name, y.Shape, w)
		}
		a, b := y.Float32s(), w.Float64s()
		worst, largest := 0.0, 0.0
		for j := range a {
			worst, largest = max(worst, math.Abs(float64(a[j])-b[j])), max(largest, math.Abs(b[j]))
		}
		if worst > 1e-5*largest {
			t.Errorf("%s differs by %g of %g", name, worst, largest)
		}
	}
	if len(got)+1 != len(want) {
		t.Errorf("%d outputs, want %d", len(got), len(want)-1)
	}
}
