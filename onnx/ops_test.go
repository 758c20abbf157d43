package onnx

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/optest"
)

func TestEveryOperatorIsReadAndWritten(t *testing.T) {
	for _, op := range graph.Ops() {
		if encoderOf[op.Kind()].f == nil {
			t.Errorf("package onnx does not write the operator %s", op.Kind())
		}
		if decoderOf[op.Kind()] == nil && !isSpelled[op.Kind()] {
			t.Errorf("package onnx does not read the operator %s", op.Kind())
		}
	}
	if len(operators) != len(graph.Ops()) {
		t.Errorf("%d operators, graph.Ops has %d", len(operators), len(graph.Ops()))
	}
}

// Every operator comes back as it was written, whatever the opset spells it as, also in
// int8.
func TestOperators(t *testing.T) {
	for _, c := range append(optest.Cases(), optest.Case{Name: "several inputs", Graph: optest.Several()}) {
		graphs := map[string]*graph.Graph{"float32": c.Graph}
		if g, _ := optest.Int8(c.Graph); g != nil {
			graphs["int8"] = g
		}
		for form, g := range graphs {
			for _, opset := range opsets() {
				if opset < c.Opset {
					if err := Encode(io.Discard, g, Options{Opset: opset}); !errors.Is(err, ErrUnsupported) {
						t.Errorf("%s, %s, opset %d: %v", c.Name, form, opset, err)
					}
					continue
				}
				data := encode(t, g, opset)
				m, err := Decode(data)
				if err != nil {
					t.Errorf("%s, %s, opset %d: %v", c.Name, form, opset, err)
					continue
				}
				if d := difference(g, m.Graph); d != "" {
					t.Errorf("%s, %s, opset %d: %s", c.Name, form, opset, d)
				}
				if !bytes.Equal(data, encode(t, m.Graph, opset)) {
					t.Errorf("%s, %s, opset %d: other bytes the second time", c.Name, form, opset)
				}
			}
		}
	}
}
