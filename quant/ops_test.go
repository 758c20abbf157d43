package quant

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
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
		x := c.Input()
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
		if d := distance(exact, original); d > 0.02 && !c.Jumps() {
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

// mobile is a network with the operators of MobileNetV3's blocks (arXiv 1905.02244), and with
// those of older stems.
func mobile() *graph.Graph {
	r := rand.New(rand.NewPCG(3, 4))
	g := &graph.Graph{Name: "mobile"}
	x := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{graph.Symbol("batch"), graph.Fixed(3), graph.Symbol("height"), graph.Symbol("width")}}}
	g.Inputs = []*graph.Value{x}
	weight := func(name string, deviation float64, shape ...int) *graph.Value {
		n, _ := graph.Numel(shape)
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(r.NormFloat64() * deviation)
		}
		return graph.Weight(name, graph.Float32Tensor(shape, v))
	}
	conv := func(name string, x *graph.Value, in, out, kernel, stride, group int) *graph.Value {
		p := kernel / 2
		return g.Add(name, graph.Conv{Strides: [2]int{stride, stride}, Pads: [4]int{p, p, p, p}, Group: group}, x,
			weight(name+".weight", 1.4/math.Sqrt(float64(in/group*kernel*kernel)), out, in/group, kernel, kernel), weight(name+".bias", 0.1, out))
	}
	x = g.Add("stem.act", graph.HardSwish{}, conv("stem", x, 3, 16, 3, 2, 1))
	x = g.Add("stem.pool", graph.MaxPool{Kernel: [2]int{3, 3}, Strides: [2]int{2, 2}, Pads: [4]int{1, 1, 1, 1}}, x)
	for i, act := range []graph.Op{graph.HardSwish{}, graph.Relu{}, graph.Clip{Min: 0, Max: 6}} {
		name := fmt.Sprintf("block%d", i)
		y := g.Add(name+".act1", act, conv(name+".expand", x, 16, 48, 1, 1, 1))
		y = g.Add(name+".act2", act, conv(name+".depthwise", y, 48, 48, 3+2*(i%2), 1, 48))
		s := g.Add(name+".se.relu", graph.Relu{}, conv(name+".se.fc1", g.Add(name+".se.pool", graph.GlobalAveragePool{}, y), 48, 16, 1, 1, 1))
		s = g.Add(name+".se.gate", graph.HardSigmoid{Alpha: 1. / 6, Beta: 0.5}, conv(name+".se.fc2", s, 16, 48, 1, 1, 1))
		y = conv(name+".project", g.Add(name+".se", graph.Mul{}, y, s), 48, 16, 1, 1, 1)
		x = g.Add(name, graph.Add{}, x, y)
	}
	x = g.Add("shrink", graph.AveragePool{Kernel: [2]int{2, 2}, Strides: [2]int{2, 2}}, x)
	x = g.Add("flatten", graph.Flatten{}, g.Add("pool", graph.GlobalAveragePool{}, x))
	x = g.Add("head.act", graph.HardSwish{}, g.Add("head.fc1", graph.Gemm{}, x, weight("head.fc1.weight", 0.3, 64, 16), weight("head.fc1.bias", 0.1, 64)))
	g.Outputs = []*graph.Value{g.Add("logits", graph.Gemm{}, x, weight("fc.weight", 0.2, 10, 64), weight("fc.bias", 0.1, 10))}
	return g
}

// TestQuantizeOtherNetworks checks int8 of operators that RepViT does not have: little is
// lost, and the engine computes what the graph says.
func TestQuantizeOtherNetworks(t *testing.T) {
	deploy := mobile()
	for scope, want := range map[Scope]float64{Pointwise: 22, All: 14} {
		g, _, err := Quantize(t.Context(), nil, deploy, images(1000, 16), [2]int{64, 64}, Options{Scope: scope})
		if err != nil {
			t.Fatal(err)
		}
		if got := against(t, deploy, g, images(5000, 8)); got < want {
			t.Errorf("%s: SQNR %.1f dB, want %.0f at least", scope, got, want)
		}
		x := images(7000, 1)[0]
		s, err := infer.New(g, infer.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer s.Close()
		got, err := s.Run(t.Context(), x)
		if err != nil {
			t.Fatal(err)
		}
		if d := distance(got, computed(t, g, x)); d > 0.1 { // roundings to the other side add up
			t.Errorf("%s: the engine is off by %.2g", scope, d)
		}
		if scope == All {
			checkEverything(t, g)
		}
	}
}

// checkEverything checks that nothing but the logits is computed from floats.
func checkEverything(t *testing.T, g *graph.Graph) {
	t.Helper()
	producers := g.Producers()
	for _, n := range g.Nodes {
		if n.Op.Traits().Any(graph.Converts) {
			continue
		}
		for _, v := range n.Inputs {
			p := producers[v]
			if p != nil && p.Is(graph.Activation) && n.Is(graph.Linear) || p == nil && v.Const == nil {
				t.Errorf("%s (%s) reads %q, which is not quantized", n.Name(), n.Op.Kind(), v.Name)
			}
		}
	}
}

// Every node computed as a network of its own gives what it gives in its network.
func TestNodesAlone(t *testing.T) {
	for _, c := range optest.Cases() {
		x := optest.Input(c.Shapes()[0])
		values := map[*graph.Value]*graph.Tensor{c.Graph.Inputs[0]: x}
		for _, n := range c.Graph.Nodes {
			y, err := evaluate(t.Context(), n, values, Options{Threads: 1})
			if err != nil {
				t.Fatalf("%s: %v", c.Name, err)
			}
			for i, v := range n.Outputs() {
				values[v] = y[i]
			}
		}
		if d := distance(values[c.Graph.Outputs[0]], computed(t, c.Graph, x)); d > 2*c.Tolerance+1e-7 {
			t.Errorf("%s: off by %.2g", c.Name, d)
		}
	}
}
