package main

import (
	"context"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"testing"

	"github.com/apache/beam/sdks/v2/go/pkg/beam"
	_ "github.com/apache/beam/sdks/v2/go/pkg/beam/runners/prism"
	"github.com/apache/beam/sdks/v2/go/pkg/beam/testing/ptest"
)

const testdata = "../../testdata/"

func TestMain(m *testing.M) { os.Exit(ptest.MainRetWithDefault(m, "prism")) }

// repvit runs the command, which the figures are held against.
func repvit(t *testing.T, args ...string) []byte {
	t.Helper()
	out, err := exec.Command("go", append([]string{"run", "-C", "../..", "./cmd/repvit"}, args...)...).Output()
	if err != nil {
		t.Fatalf("repvit %v: %v", args, err)
	}
	return out
}

// TestFigures holds figures that were made in parts against those of the command.
func TestFigures(t *testing.T) {
	dir := t.TempDir()
	for _, c := range []struct {
		name, checkpoint, size string
		options                options
		flags                  []string
	}{
		{"labels", "v2_release.pth", "64", options{Images: "../../docs/sample/images", Labels: "../../docs/sample/labels.csv"}, []string{"--labels", "docs/sample/labels.csv", "--images", "docs/sample/images"}},
		{"masks", "dense/scenes_seg.pth", "128", options{Images: testdata + "dense/images", Masks: testdata + "dense/masks"}, []string{"--masks", "testdata/dense/masks", "--images", "testdata/dense/images"}},
		{"coco", "dense/scenes_det.pth", "128", options{Images: testdata + "dense/images", Annotations: testdata + "dense/instances.json"}, []string{"--coco", "testdata/dense/instances.json", "--images", "testdata/dense/images"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			c.options.Model = filepath.Join(dir, c.name+".onnx")
			c.options.Output = filepath.Join(dir, c.name+".json")
			convert := []string{"convert", "testdata/" + c.checkpoint, "-q", "--size", c.size, "-o", c.options.Model}
			if c.name == "labels" {
				convert = append(convert, "--labels", "docs/sample/classes.txt")
			}
			repvit(t, convert...)
			want := parsed(t, repvit(t, append([]string{"evaluate", c.options.Model, "--strict", "--json"}, c.flags...)...))
			ptest.BuildAndRun(t, func(s beam.Scope) {
				if err := c.options.build(s); err != nil {
					t.Fatal(err)
				}
			})
			text, err := os.ReadFile(c.options.Output)
			if err != nil {
				t.Fatal(err)
			}
			got := parsed(t, text)
			if len(got) < 3 {
				t.Fatalf("found %v", got)
			}
			for name, v := range got {
				if !reflect.DeepEqual(v, want[name]) {
					t.Errorf("%s: %v, want %v", name, v, want[name])
				}
			}
		})
	}
}

// TestBadFlags: a pipeline is not begun for flags that mean nothing.
func TestBadFlags(t *testing.T) {
	for _, o := range []options{{}, {Labels: "a.csv", Masks: "b"}, {Masks: t.TempDir()}, {Labels: "missing.csv"}, {Annotations: "missing.json"}} {
		_, s := beam.NewPipelineWithRoot()
		if err := o.build(s); err == nil {
			t.Errorf("%+v: no error", o)
		}
	}
	if err := run(context.Background(), options{}); err == nil {
		t.Error("no model: no error")
	}
}

func parsed(t *testing.T, text []byte) (v map[string]any) {
	t.Helper()
	if err := json.Unmarshal(text, &v); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return v
}
