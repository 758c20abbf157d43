package hostilemodels_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/internal/hostilemodels"
	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/native"
	"github.com/repvit-go/repvit/onnx"
	"github.com/repvit-go/repvit/verify"
	"github.com/repvit-go/repvit/verify/reference"
)

// FuzzNative and FuzzONNX go on from decoding: whatever is decoded is counted as inspect
// does, and run by both engines under a limit of memory. Where both have an answer it has the
// same shape.
func FuzzNative(f *testing.F) {
	seed(f, ".safetensors")
	f.Fuzz(func(t *testing.T, data []byte) {
		g, err := native.Decode(data)
		whole(t, data, g, err)
	})
}

func FuzzONNX(f *testing.F) {
	seed(f, ".onnx")
	// The networks of the native seeds, as ONNX.
	for _, m := range hostilemodels.Models() {
		if len(m.Data) >= maxSeed {
			continue
		}
		if g, err := native.Decode(m.Data); err == nil {
			var b strings.Builder
			if onnx.Encode(&b, g, onnx.Options{Opset: 17}) == nil {
				f.Add([]byte(b.String()))
			}
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		m, err := onnx.Decode(data)
		if err != nil {
			whole(t, data, nil, err)
			return
		}
		whole(t, data, m.Graph, nil)
	})
}

// FuzzGraph runs graphs that are put together as the bytes say: nearly all of them are in
// order, so that more of them come as far as planning and running.
func FuzzGraph(f *testing.F) {
	for n := range 40 {
		r := rand.New(rand.NewPCG(uint64(n), 0))
		b := make([]byte, 16+8*n)
		for i := range b {
			b[i] = byte(r.Uint32())
		}
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		g := (&assembly{bytes: data}).graph()
		if g.Validate() == nil {
			whole(t, data, g, nil)
		}
	})
}

// assembly makes a graph of bytes.
type assembly struct {
	bytes  []byte
	g      *graph.Graph
	values []*graph.Value
	types  map[*graph.Value]graph.Type
	n      int
}

func (a *assembly) byte() int {
	if len(a.bytes) == 0 {
		return 0
	}
	b := a.bytes[0]
	a.bytes = a.bytes[1:]
	return int(b)
}

// size is mostly small.
func (a *assembly) size() int {
	switch b := a.byte(); {
	case b < 200:
		return 1 + b%4
	case b < 250:
		return b - 190
	default:
		return 1 << (b - 240)
	}
}

func (a *assembly) pick() *graph.Value {
	n := len(a.values)
	if a.byte() < 160 {
		return a.values[max(0, n-1-a.byte()%3)]
	}
	return a.values[a.byte()%n]
}

// weight adds a constant of a shape.
func (a *assembly) weight(d graph.DType, shape ...int) *graph.Value {
	n, _ := graph.Numel(shape)
	if n > 1<<14 { // which will not fit
		shape, n = []int{1}, 1
	}
	b := make([]byte, n*d.Size())
	seed := a.byte()
	for i := range b {
		b[i] = byte(i*seed + seed)
	}
	t := graph.RawTensor(d, shape, b)
	if d.IsFloat() {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32((i*7+seed)%13)/8 - 0.5
		}
		if t = graph.Float32Tensor(shape, v); d == graph.Float16 {
			t = t.Half()
		}
	}
	a.n++
	v := graph.Weight(fmt.Sprint("w", a.n), t)
	if n < 1<<12 && a.byte() < 60 {
		a.values = append(a.values, v) // an operand like others, for folding
		a.types[v] = graph.Type{DType: d, Shape: graph.FixedShape(shape...)}
	}
	return v
}

// known returns a shape with numbers for the sizes that are open.
func (a *assembly) known(v *graph.Value) []int {
	var s []int
	for _, d := range a.types[v].Shape {
		s = append(s, max(1, d.Size))
	}
	return s
}

func (a *assembly) graph() *graph.Graph {
	shape := make(graph.Shape, []int{4, 4, 4, 2, 2, 3, 1, 0}[a.byte()%8])
	for i := range shape {
		if shape[i] = graph.Fixed(a.size()); a.byte() < 80 && i != 1 {
			shape[i] = graph.Symbol(fmt.Sprint("s", i))
		}
	}
	d := graph.Float32
	if a.byte() > 240 {
		d = graph.Float16
	}
	x := &graph.Value{Name: "x", Type: &graph.Type{DType: d, Shape: shape}}
	a.g = &graph.Graph{Inputs: []*graph.Value{x}}
	a.values, a.types = []*graph.Value{x}, map[*graph.Value]graph.Type{x: *x.Type}
	for len(a.bytes) > 0 && len(a.g.Nodes) < 200 {
		a.node()
	}
	for i, n := range a.g.Nodes {
		if i == len(a.g.Nodes)-1 || a.byte() > 230 {
			a.g.Outputs = append(a.g.Outputs, n.Output)
		}
	}
	return a.g
}

// node adds a node if its operands fit.
func (a *assembly) node() {
	x := a.pick()
	d, s := a.types[x].DType, a.known(x)
	op, in := a.operator(x, d, s)
	a.n++
	nodes := len(a.g.Nodes)
	y := a.g.Add(fmt.Sprint("v", a.n), op, in...)
	// Infer again is quadratic, but graphs are small.
	types, err := a.g.Infer()
	if err != nil {
		a.g.Nodes = a.g.Nodes[:nodes]
		return
	}
	a.types[y] = types[y]
	a.values = append(a.values, y)
}

func (a *assembly) operator(x *graph.Value, d graph.DType, s []int) (graph.Op, []*graph.Value) {
	last := 1
	if len(s) > 0 {
		last = s[len(s)-1]
	}
	channels := 1
	if len(s) > 1 {
		channels = s[1]
	}
	switch a.byte() % 20 {
	case 0, 1, 2:
		op := graph.Conv{Strides: [2]int{1 + a.byte()%3, 1 + a.byte()%3}, Group: 1}
		kernel := []int{1, 1, 3, 3, 2, 5}[a.byte()%6]
		for i := range op.Pads {
			op.Pads[i] = kernel / 2
			if a.byte() > 230 {
				op.Pads[i] = a.size()
			}
		}
		out := a.size()
		if a.byte() < 100 {
			op.Group, out = channels, channels*(1+a.byte()%2)
		}
		in := []*graph.Value{x, a.weight(d, out, channels/op.Group, kernel, kernel)}
		if a.byte() < 128 {
			in = append(in, a.weight(d, out))
		}
		return op, in
	case 3:
		return graph.Gemm{}, []*graph.Value{x, a.weight(d, a.size(), last)}
	case 4:
		return graph.MatMul{}, []*graph.Value{x, a.weight(d, last, a.size())}
	case 5:
		return graph.BatchNorm{Epsilon: 1e-5}, []*graph.Value{x, a.weight(d, channels), a.weight(d, channels), a.weight(d, channels), a.weight(d, channels)}
	case 6:
		return graph.Gelu{}, []*graph.Value{x}
	case 7:
		return graph.Relu{}, []*graph.Value{x}
	case 8:
		return graph.Sigmoid{}, []*graph.Value{x}
	case 9, 10:
		return graph.Add{}, []*graph.Value{x, a.pick()}
	case 11:
		return graph.Mul{}, []*graph.Value{x, a.pick()}
	case 12:
		return graph.Mean{}, []*graph.Value{x, a.pick(), x}
	case 13:
		return graph.GlobalAveragePool{}, []*graph.Value{x}
	case 14:
		return graph.Flatten{}, []*graph.Value{x}
	case 15:
		return graph.Softmax{}, []*graph.Value{x}
	case 16:
		return graph.Cast{To: graph.DType(1 + a.byte()%7)}, []*graph.Value{x}
	case 17:
		perm := make([]int, len(s))
		for i := range perm {
			perm[i] = i
		}
		switch {
		case len(perm) == 4 && a.byte() < 128:
			perm = [][]int{{0, 2, 3, 1}, {0, 3, 1, 2}}[a.byte()%2]
		case len(perm) > 1:
			i, j := a.byte()%len(perm), a.byte()%len(perm)
			perm[i], perm[j] = perm[j], perm[i]
		}
		return graph.Transpose{Perm: perm}, []*graph.Value{x}
	case 18:
		return graph.QuantizeLinear{}, []*graph.Value{x, a.weight(graph.Float32), a.weight([]graph.DType{graph.Uint8, graph.Uint8, graph.Int8}[a.byte()%3])}
	}
	return graph.DequantizeLinear{}, []*graph.Value{x, a.weight(graph.Float32), a.weight(d)}
}

// maxSeed keeps seeds small that are changed byte by byte.
const maxSeed = 20 << 10

func seed(f *testing.F, extension string) {
	for _, m := range hostilemodels.Models() {
		if strings.HasSuffix(m.Name, extension) && len(m.Data) < maxSeed {
			f.Add(m.Data)
		}
	}
}

const (
	fuzzMemory = 4 << 20 // of a run
	fuzzInput  = 1 << 14 // elements
)

// whole runs a decoded graph, or looks at the error of decoding.
func whole(t *testing.T, data []byte, g *graph.Graph, err error) {
	if err != nil {
		known := errors.Is(err, native.ErrFormat) || errors.Is(err, native.ErrVersion) || errors.Is(err, onnx.ErrFormat) ||
			errors.Is(err, graph.ErrUnsupported) || errors.Is(err, graph.ErrTooLarge)
		if !known {
			t.Fatalf("an error of no kind: %v", err)
		}
		return
	}
	start := time.Now()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	defer func() {
		runtime.ReadMemStats(&after)
		if n := after.TotalAlloc - before.TotalAlloc; n > 200<<20+1000*uint64(len(data)) {
			t.Errorf("%d bytes had %d MiB allocated", len(data), n>>20)
		}
		if took := time.Since(start); took > 20*time.Second { // minutes are what is looked for
			t.Errorf("%d bytes took %v", len(data), took)
		}
	}()
	_, _ = model.Parts(g, 8, 8) // errors are in order here
	shape := load.InputShape(g, 1, 8, 8)
	if n, err := graph.Numel(shape); err != nil || n > fuzzInput {
		return
	}
	x, err := verify.RandomInput(shape, 1)
	if err != nil {
		t.Fatal(err)
	}
	if x, err = verify.Fit(g, x); err != nil {
		return
	}
	s, err := infer.New(g, infer.Options{Threads: 2, MaxMemory: fuzzMemory})
	if err != nil {
		engineError(t, err)
		return
	}
	defer s.Close()
	got, err := s.RunAll(context.Background(), x)
	engineError(t, err)
	engineError(t, s.Observe(context.Background(), x, func(*graph.Value, *graph.Tensor) error { return nil }))
	r, err := reference.New(g, 2)
	if err != nil {
		engineError(t, err)
		return
	}
	r.MaxMemory = 4 * fuzzMemory
	want, err := r.RunAll(context.Background(), x)
	engineError(t, err)
	if got == nil || want == nil {
		return
	}
	for i := range got {
		shapes(t, got[i], want[i])
	}
}

// shapes compares what does not depend on rounding.
func shapes(t *testing.T, got, want *graph.Tensor) {
	t.Helper()
	if !slices.Equal(got.Shape, want.Shape) {
		t.Errorf("output of shape %v, want %v", got.Shape, want.Shape)
	}
}

func engineError(t *testing.T, err error) {
	t.Helper()
	switch {
	case err == nil, errors.Is(err, graph.ErrTooLarge), errors.Is(err, graph.ErrShape), errors.Is(err, graph.ErrUnsupported):
		return
	}
	t.Errorf("%v", err)
}
