package quant

import (
	"bytes"
	"math"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/optest"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/verify/reference"
)

// Every operator in float16: the engine computes what the file says, and that is what the
// float32 network says, but for rounding; the file is read as it was written.
func TestHalfOperators(t *testing.T) {
	for _, c := range optest.Cases() {
		g := Half(c.Graph)
		x := optest.Input(optest.Shapes()[1])
		original, exact := computed(t, c.Graph, x), computed(t, g, x)
		s, err := infer.New(g, infer.Options{})
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		defer s.Close()
		got, err := s.Run(t.Context(), x)
		if err != nil {
			t.Fatalf("%s: %v", c.Name, err)
		}
		// Weights that the engine dequantizes are rounded to float16, others never.
		if d := distance(got, exact); d > c.Tolerance+5e-4 {
			t.Errorf("%s: the engine is off by %.2g", c.Name, d)
		}
		if d := distance(exact, original); d > 0.02 {
			t.Errorf("%s: float16 is off by %.2g", c.Name, d)
		}
		for opset := 19; opset <= onnx.MaxOpset; opset++ { // older ones have no scales of float16
			data := encoded(t, c.Name, g, opset)
			m, err := onnx.Decode(data)
			if err != nil {
				t.Fatalf("%s, opset %d: %v", c.Name, opset, err)
			}
			if !bytes.Equal(encoded(t, c.Name, m.Graph, opset), data) {
				t.Errorf("%s, opset %d: other bytes the second time", c.Name, opset)
			}
		}
	}
}

func computed(t *testing.T, g *graph.Graph, x *graph.Tensor) *graph.Tensor {
	t.Helper()
	n, err := reference.New(g, 0)
	if err != nil {
		t.Fatal(err)
	}
	y, err := n.Run(t.Context(), x)
	if err != nil {
		t.Fatal(err)
	}
	return y
}

func encoded(t *testing.T, name string, g *graph.Graph, opset int) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := onnx.Encode(&b, g, onnx.Options{Opset: opset, ProducerVersion: "v1"}); err != nil {
		t.Fatalf("%s, opset %d: %v", name, opset, err)
	}
	return b.Bytes()
}

// distance is the largest difference as a part of the largest element.
func distance(got, want *graph.Tensor) float64 {
	worst, top := 0.0, 1e-30
	w := want.Float64s()
	for i, v := range got.Float64s() {
		top = max(top, math.Abs(w[i]))
		if d := math.Abs(v - w[i]); d != d {
			return math.Inf(1)
		} else {
			worst = max(worst, d)
		}
	}
	return worst / top
}
