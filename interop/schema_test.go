package interop

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/repvit-go/repvit/coreml"
	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/optest"
	"github.com/repvit-go/repvit/quant"
	"github.com/repvit-go/repvit/tflite"
)

var schemasThere = sync.OnceValue(func() error {
	return exec.Command("node", "-e", "require('protobufjs'); require('child_process').execFileSync('flatc', ['--version'])").Run()
})

// tfliteFile is what the test looks at of a file, as the schema calls it.
type tfliteFile struct {
	Codes []struct {
		Name string `json:"builtin_code"`
	} `json:"operator_codes"`
	Subgraphs []struct {
		Tensors []struct {
			Name  string
			Shape []int
		}
		Operators []struct {
			Code    int `json:"opcode_index"`
			Outputs []int
			Type    string         `json:"builtin_options_type"`
			Options map[string]any `json:"builtin_options"`
		}
	}
}

// TestSchemas: what readers made of the official schemas read of our files, and write again, is the same network, and fields have
// the names that we mean.
func TestSchemas(t *testing.T) {
	need(t, "flatc or protobuf.js", schemasThere)
	dir := t.TempDir()
	save := func(name string, data []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	load := func(name string) []byte {
		t.Helper()
		data, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	type file struct {
		of         string
		g          *graph.Graph
		coreml     bool
		manifest   []byte
		model, bin []byte
	}
	files := map[string]file{}
	for i, c := range optest.Cases() {
		g := c.Graph.Clone()
		if len(g.Inputs) != 1 {
			continue
		}
		g.Inputs[0].Type = &graph.Type{DType: graph.Float32, Shape: graph.FixedShape(c.Shapes()[0]...)}
		forms := []*graph.Graph{g}
		if q, _ := optest.Int8(g); q != nil {
			forms = append(forms, q)
		}
		for k, g := range forms {
			name := fmt.Sprintf("%d_%d", i, k)
			var lite bytes.Buffer
			if err := tflite.Encode(&lite, g, tflite.Options{Half: k == 0 && i%2 == 0, Labels: []string{"a"}, Mean: []float64{0, 0, 0}, Std: []float64{1, 1, 1}}); err == nil {
				save(name+".tflite", lite.Bytes())
				files[name+".tflite"] = file{of: c.Name, g: g, model: lite.Bytes()}
			} else if !errors.Is(err, graph.ErrUnsupported) {
				t.Errorf("%s: %v", c.Name, err)
			}
			if k == 0 && i%2 == 0 {
				g = quant.Half(g)
			}
			var b [3]bytes.Buffer
			if err := coreml.Encode(&b[0], &b[1], &b[2], quant.FloatBiases(g), coreml.Options{}); err == nil {
				save(name+".mlmodel", b[1].Bytes())
				files[name+".mlmodel"] = file{of: c.Name, g: g, coreml: true, manifest: b[0].Bytes(), model: b[1].Bytes(), bin: b[2].Bytes()}
			} else if !errors.Is(err, graph.ErrUnsupported) {
				t.Errorf("%s: %v", c.Name, err)
			}
		}
	}
	run(t, "node", "schema.js", dir)
	fields := map[string]int{}
	for name, f := range files {
		base := name[:len(name)-len(filepath.Ext(name))]
		again := load(base + ".again" + filepath.Ext(name))
		decode := func(model []byte) *graph.Graph {
			t.Helper()
			var g *graph.Graph
			var err error
			if f.coreml {
				g, err = coreml.Decode(f.manifest, model, f.bin)
			} else {
				g, err = tflite.Decode(model)
			}
			if err != nil {
				t.Fatalf("%s, %s: %v", f.of, name, err)
			}
			return g
		}
		if got, want := described(decode(again)), described(decode(f.model)); got != want {
			t.Errorf("%s, %s: read as\n%s\nwant\n%s", f.of, name, got, want)
		}
		if f.coreml {
			if len(again) != len(f.model) { // a field that the schema does not have would be left out
				t.Errorf("%s, %s: %d bytes of %d", f.of, name, len(again), len(f.model))
			}
			continue
		}
		var said tfliteFile
		if err := json.Unmarshal(load(base+".json"), &said); err != nil {
			t.Fatal(err)
		}
		for _, o := range said.Subgraphs[0].Operators {
			for field, want := range meant(f.g, said.Codes[o.Code].Name, said.Subgraphs[0].Tensors[o.Outputs[0]].Name) {
				fields[field]++
				if got := fmt.Sprint(o.Options[field]); got != fmt.Sprint(want) {
					t.Errorf("%s, %s: %s is %v, want %v", f.of, name, field, got, want)
				}
			}
		}
	}
	for _, field := range []string{"stride_h", "stride_w", "dilation_h_factor", "dilation_w_factor", "filter_height", "filter_width", "output_type", "align_corners"} {
		if fields[field] == 0 {
			t.Errorf("no file has %s", field)
		}
	}
	t.Logf("%d files, fields %v", len(files), fields)
}

// described is a network as text; scales have the six digits behind the point that JSON of flatc has.
func described(g *graph.Graph) string {
	var b strings.Builder
	for _, n := range g.Nodes {
		fmt.Fprintf(&b, "%s = %T%+v", n.Name(), n.Op, n.Op)
		for _, v := range n.Inputs {
			switch c := v.Const; {
			case c == nil:
				fmt.Fprintf(&b, " %s", v.Name)
			case strings.HasSuffix(v.Name, ".scale"):
				fmt.Fprintf(&b, " %v%.6f", c.Shape, c.Float64s())
			default:
				fmt.Fprintf(&b, " %v%v%x", c.DType, c.Shape, c.Bytes())
			}
		}
		b.WriteByte('\n')
	}
	return b.String()
}

// meant is what the options of an operator have to be, by the schema's names, for the node whose value it gives.
func meant(g *graph.Graph, operator, output string) map[string]any {
	for _, n := range g.Nodes {
		if n.Name() != output {
			continue
		}
		switch op := n.Op.(type) {
		case graph.Conv:
			d := op.Dilation()
			return map[string]any{"stride_h": op.Strides[0], "stride_w": op.Strides[1], "dilation_h_factor": d[0], "dilation_w_factor": d[1]}
		case graph.MaxPool:
			return map[string]any{"stride_h": op.Strides[0], "stride_w": op.Strides[1], "filter_height": op.Kernel[0], "filter_width": op.Kernel[1]}
		case graph.ArgMax:
			return map[string]any{"output_type": "INT32"}
		case graph.Resize:
			if operator == "RESIZE_BILINEAR" {
				corners := op.Coordinates == "align_corners"
				return map[string]any{"align_corners": corners, "half_pixel_centers": !corners}
			}
		}
	}
	return nil
}
