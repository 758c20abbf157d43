package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/optest"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/verify/reference"
)

// TestOperators runs every operator in ONNX Runtime, as every opset spells it: in float32,
// in float16 and in int8.
func TestOperators(t *testing.T) {
	needORT(t)
	dir := t.TempDir()
	type file struct {
		what string
		want *graph.Tensor
		// check compares what ONNX Runtime gives.
		check func(got, want *graph.Tensor) error
		out   string
	}
	var files []file
	var jobs [][3]string
	input := ""
	add := func(c optest.Case, form string, g *graph.Graph, opset int, want *graph.Tensor, check func(got, want *graph.Tensor) error) {
		var b bytes.Buffer
		if err := onnx.Encode(&b, g, onnx.Options{Opset: opset}); err != nil {
			t.Fatalf("%s, %s, opset %d: %v", c.Name, form, opset, err)
		}
		name := filepath.Join(dir, fmt.Sprint(len(files)))
		if err := os.WriteFile(name+".onnx", b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
		files = append(files, file{fmt.Sprintf("%s, %s, opset %d", c.Name, form, opset), want, check, name + ".0.npy"})
		jobs = append(jobs, [3]string{name + ".onnx", input, name + ".npy"})
	}
	within := func(tolerance float64) func(got, want *graph.Tensor) error {
		return func(got, want *graph.Tensor) error {
			w, top := want.Float64s(), 1e-30
			for _, v := range w {
				top = max(top, math.Abs(v))
			}
			for i, v := range got.Float64s() {
				if !(math.Abs(v-w[i]) <= tolerance*top) {
					return fmt.Errorf("element %d is %v, want %v", i, v, w[i])
				}
			}
			return nil
		}
	}
	steps := func(step float64) func(got, want *graph.Tensor) error {
		return func(got, want *graph.Tensor) error {
			w, off := want.Float64s(), 0
			for i, v := range got.Float64s() {
				n := math.Abs(v-w[i]) / step
				if !(n <= 2.01) {
					return fmt.Errorf("element %d is %v, want %v", i, v, w[i])
				}
				if n > 0.5 {
					off++
				}
			}
			if off > 1+len(w)/20 {
				return fmt.Errorf("%d of %d elements are off by a step", off, len(w))
			}
			return nil
		}
	}
	for i, c := range optest.Cases() {
		x := c.Input()
		input = filepath.Join(dir, fmt.Sprintf("x%d.npy", i))
		write(t, input, x)
		exact := computed(t, c.Graph, x)
		for opset := max(c.Opset, onnx.MinOpset); opset <= onnx.MaxOpset; opset++ {
			add(c, "float32", c.Graph, opset, exact, within(1e-5))
		}
		half := quant.Half(c.Graph)
		if c.Jumps() {
			continue // ONNX Runtime rounds other values to float16
		}
		add(c, "float16", half, onnx.MaxOpset, computed(t, half, x), within(2e-2))
		if g, step := optest.Int8(c.Graph); step > 0 {
			s, err := infer.New(g, infer.Options{})
			if err != nil {
				t.Fatal(err)
			}
			want, err := s.Run(context.Background(), x)
			s.Close()
			if err != nil {
				t.Fatal(err)
			}
			for _, opset := range []int{onnx.MinOpset, 17, onnx.MaxOpset} {
				add(c, "int8", g, opset, want, steps(step))
			}
		}
	}
	list, err := json.Marshal(jobs)
	if err != nil {
		t.Fatal(err)
	}
	jobsFile := filepath.Join(dir, "jobs.json")
	if err := os.WriteFile(jobsFile, list, 0o666); err != nil {
		t.Fatal(err)
	}
	var failed map[string]string // by the model's file
	if err := json.Unmarshal([]byte(run(t, "node", "ort.js", "all", jobsFile)), &failed); err != nil {
		t.Fatal(err)
	}
	for i, f := range files {
		if why, ok := failed[jobs[i][0]]; ok {
			t.Errorf("%s: %s", f.what, why)
			continue
		}
		got := read(t, f.out)
		if fmt.Sprint(got.Shape) != fmt.Sprint(f.want.Shape) {
			t.Errorf("%s: shape %v, want %v", f.what, got.Shape, f.want.Shape)
		} else if err := f.check(got, f.want); err != nil {
			t.Errorf("%s: %v", f.what, err)
		}
	}
	t.Logf("%d files", len(files))
}

func computed(t *testing.T, g *graph.Graph, x *graph.Tensor) *graph.Tensor {
	t.Helper()
	n, err := reference.New(g, 0)
	if err != nil {
		t.Fatal(err)
	}
	y, err := n.Run(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

func write(t testing.TB, path string, x *graph.Tensor) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := npy.Write(f, x); err != nil {
		t.Fatal(err)
	}
}
