package native

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unsafe"

	foreign "github.com/nlpodyssey/safetensors"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
)

// trained returns the fused network of a checkpoint in testdata.
func trained(t testing.TB, name string) *graph.Graph {
	t.Helper()
	f, err := pytorch.Open("../testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	sd, err := f.StateDict(pytorch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	m, err := family.Build(sd, model.Options{Preprocess: preprocess.ImageNet(64, 64, 1)})
	if err != nil {
		t.Fatal(err)
	}
	return reparam.Fuse(m.Graph)
}

// every returns a graph with every operator and every type of weight.
func every() *graph.Graph {
	g := &graph.Graph{Name: "every <&> operator", Metadata: map[string]string{"b": "2 \"quoted\"\n", "a": "ä→", "": ""}}
	in := &graph.Value{Name: "input", Type: &graph.Type{DType: graph.Float32, Shape: graph.Shape{
		graph.Symbol("batch"), graph.Fixed(2), {Sym: "height", Div: 2}, {Div: 1}}}}
	g.Inputs = []*graph.Value{in}
	f := func(name string, shape []int, v ...float32) *graph.Value {
		return graph.Weight(name, graph.Float32Tensor(shape, v))
	}
	scale := f("scale", []int{}, 0.5)
	zero := graph.Weight("zero", graph.Uint8Tensor([]int{}, []uint8{128}))
	x := g.Add("conv", graph.Conv{Strides: [2]int{2, 1}, Pads: [4]int{0, 1, 0, 2}, Group: 2}, in, f("w", []int{2, 1, 1, 1}, 1, 2), f("b", []int{2}, 3, 4))
	c := f("c", []int{2}, 1, 1)
	x = g.Add("bn", graph.BatchNorm{Epsilon: 1e-5}, x, c, c, c, c)
	x = g.Add("gelu", graph.Gelu{}, x)
	x = g.Add("relu", graph.Relu{}, x)
	x = g.Add("sigmoid", graph.Sigmoid{}, x)
	x = g.Add("add", graph.Add{}, x, x)
	x = g.Add("mul", graph.Mul{}, x, x)
	x = g.Add("mean", graph.Mean{}, x, x, x)
	x = g.Add("quantize", graph.QuantizeLinear{Axis: 1}, x, scale, zero)
	x = g.Add("dequantize", graph.DequantizeLinear{Axis: 1}, x, scale, zero)
	x = g.Add("pool", graph.GlobalAveragePool{}, x)
	x = g.Add("transpose", graph.Transpose{Perm: []int{0, 3, 2, 1}}, x)
	x = g.Add("flatten", graph.Flatten{}, x)
	wq := graph.Weight("wq", graph.Int8Tensor([]int{3, 2}, []int8{1, -2, 3, -4, 5, -128}))
	ws := f("ws", []int{3}, 1, 2, 3)
	wz := graph.Weight("wz", graph.Int8Tensor([]int{3}, []int8{0, 0, 0}))
	w := g.Add("weight", graph.DequantizeLinear{Axis: 0}, wq, ws, wz)
	bq := graph.Weight("bq", graph.Int32Tensor([]int{3}, []int32{1, 2, -3}))
	bz := graph.Weight("bz", graph.Int32Tensor([]int{}, []int32{0}))
	b := g.Add("bias", graph.DequantizeLinear{}, bq, scale, bz)
	x = g.Add("gemm", graph.Gemm{}, x, w, b)
	x = g.Add("half", graph.Cast{To: graph.Float16}, x)
	x = g.Add("matmul", graph.MatMul{}, x, graph.Weight("h", graph.Float32Tensor([]int{3, 1}, []float32{1, 2, 3}).Half()))
	y := g.Add("double", graph.Cast{To: graph.Float64}, x)
	y = g.Add("sum", graph.Add{}, y, graph.Weight("d", graph.Float64Tensor([]int{1, 1}, []float64{1e-300})))
	i := g.Add("int", graph.Cast{To: graph.Int64}, x)
	i = g.Add("isum", graph.Add{}, i, graph.Weight("l", graph.Int64Tensor([]int{1, 1}, []int64{1 << 40})))
	g.Outputs = []*graph.Value{g.Add("softmax", graph.Softmax{}, y), i, in}
	return g
}

func encode(t testing.TB, g *graph.Graph) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := Encode(&b, g); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// equal compares two graphs in everything.
func equal(t *testing.T, got, want *graph.Graph) {
	t.Helper()
	if got.Name != want.Name || !maps.Equal(got.Metadata, want.Metadata) {
		t.Errorf("found name %q, metadata %q, expected %q, %q", got.Name, got.Metadata, want.Name, want.Metadata)
	}
	for i, v := range want.Inputs {
		if g := got.Inputs[i]; g.Name != v.Name || !reflect.DeepEqual(g.Type, v.Type) {
			t.Errorf("found input %q %v, expected %q %v", g.Name, g.Type, v.Name, v.Type)
		}
	}
	if len(got.Nodes) != len(want.Nodes) || !slices.Equal(names(got.Outputs), names(want.Outputs)) {
		t.Fatalf("found %d nodes, outputs %q, expected %d, %q", len(got.Nodes), names(got.Outputs), len(want.Nodes), names(want.Outputs))
	}
	for i, n := range want.Nodes {
		if g := got.Nodes[i]; !reflect.DeepEqual(g.Op, n.Op) || !slices.Equal(names(g.Outputs()), names(n.Outputs())) || !slices.Equal(names(g.Inputs), names(n.Inputs)) {
			t.Errorf("found node %s (%#v) of %q, expected %s (%#v) of %q", g.Name(), g.Op, names(g.Inputs), n.Name(), n.Op, names(n.Inputs))
		}
	}
	gw, ww := got.Weights(), want.Weights()
	if !slices.Equal(names(gw), names(ww)) {
		t.Fatalf("found weights %q, expected %q", names(gw), names(ww))
	}
	for i, w := range ww {
		g := gw[i].Const
		if g.DType != w.Const.DType || !slices.Equal(g.Shape, w.Const.Shape) || !bytes.Equal(g.Bytes(), w.Const.Bytes()) {
			t.Errorf("weight %q differs", w.Name)
		}
	}
}

func TestRoundTrip(t *testing.T) {
	half := trained(t, "v1_release.pth")
	for _, w := range half.Weights() {
		w.Const = w.Const.Half()
	}
	half.Inputs[0].Type.DType = graph.Float16
	several := every()
	several.Inputs[0].Type.Shape[2].Mul = 3
	top := several.AddSeveral([]string{"values", "indices"}, graph.TopK{K: 2, Axis: -3}, several.Inputs[0])
	several.Outputs = append(several.Outputs, top[1])
	fixed := trained(t, "v2_release.pth")
	fixed.Inputs[0].Type.Shape = graph.FixedShape(1, 3, 64, 64)
	fixed.Metadata = nil
	for name, g := range map[string]*graph.Graph{
		"every operator": every(),
		"version 2":      several,
		"float32":        trained(t, "v2_release.pth"),
		"fixed size":     fixed,
		"float16":        half,
		"int8":           quantized(trained(t, "v2_release.pth")),
	} {
		data := encode(t, g)
		if !bytes.Equal(data, encode(t, g)) {
			t.Errorf("%s: encoded twice, the bytes differ", name)
		}
		if !Is(data) {
			t.Errorf("%s: it is not recognised", name)
		}
		got, err := Decode(data)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		equal(t, got, g)
		if !bytes.Equal(encode(t, got), data) {
			t.Errorf("%s: decoded and encoded again, the bytes differ", name)
		}
	}
}

// quantized puts int8 weights with a scale for each channel before the convolutions.
func quantized(g *graph.Graph) *graph.Graph {
	var nodes []*graph.Node
	for _, n := range g.Nodes {
		if _, ok := n.Op.(graph.Conv); ok {
			w := n.Inputs[1]
			q := make([]int8, w.Const.Len())
			scale, zero := make([]float32, w.Const.Shape[0]), make([]int8, w.Const.Shape[0])
			for i, v := range w.Const.Float32s() {
				q[i] = int8(min(max(v*100, -127), 127))
			}
			for i := range scale {
				scale[i] = 0.01
			}
			d := &graph.Node{Op: graph.DequantizeLinear{}, Output: &graph.Value{Name: w.Name + ".dequantized"}, Inputs: []*graph.Value{
				graph.Weight(w.Name, graph.Int8Tensor(w.Const.Shape, q)),
				graph.Weight(w.Name+".scale", graph.Float32Tensor([]int{len(scale)}, scale)),
				graph.Weight(w.Name+".zero_point", graph.Int8Tensor([]int{len(zero)}, zero))}}
			n.Inputs[1] = d.Output
			nodes = append(nodes, d)
		}
		nodes = append(nodes, n)
	}
	g.Nodes = nodes
	return g
}

// TestLayout checks what the package's documentation says of the file, with another reader
// of safetensors.
func TestLayout(t *testing.T) {
	g := every()
	data := encode(t, g)
	n := binary.LittleEndian.Uint64(data)
	if (8+n)%64 != 0 || data[8] != '{' {
		t.Errorf("header of %d bytes that begins with %q", n, data[8])
	}
	st, err := foreign.Deserialize(data)
	if err != nil {
		t.Fatal(err)
	}
	if st.Len() != len(g.Weights()) {
		t.Errorf("found %d tensors, expected %d", st.Len(), len(g.Weights()))
	}
	for _, w := range g.Weights() {
		v, ok := st.Tensor(w.Name)
		if !ok {
			t.Errorf("there is no tensor %q", w.Name)
			continue
		}
		shape := make([]int, len(v.Shape()))
		for i, d := range v.Shape() {
			shape[i] = int(d)
		}
		if v.DType().String() != string(typeNames[w.Const.DType]) || !slices.Equal(shape, w.Const.Shape) || !bytes.Equal(v.Data(), w.Const.Bytes()) {
			t.Errorf("tensor %q: found %v %v, expected %v %v", w.Name, v.DType(), shape, w.Const.DType, w.Const.Shape)
		}
		if at := uintptr(unsafe.Pointer(unsafe.SliceData(v.Data()))) - uintptr(unsafe.Pointer(unsafe.SliceData(data))); at%uintptr(w.Const.DType.Size()) != 0 {
			t.Errorf("tensor %q begins at byte %d, expected a multiple of %d", w.Name, at, w.Const.DType.Size())
		}
	}
	_, meta, err := foreign.ReadMetadata(data)
	if err != nil {
		t.Fatal(err)
	}
	m := meta.Metadata()
	if m["format"] != "repvit" || m["version"] != "1" || !json.Valid([]byte(m["graph"])) {
		t.Errorf("found metadata %q", m)
	}
}

func TestDecodeViews(t *testing.T) {
	data := encode(t, trained(t, "v2_release.pth"))
	g, err := Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	low, high := uintptr(unsafe.Pointer(&data[0])), uintptr(unsafe.Pointer(&data[len(data)-1]))
	for _, w := range g.Weights() {
		if p := uintptr(unsafe.Pointer(unsafe.SliceData(w.Const.Bytes()))); p < low || p > high {
			t.Errorf("%q was copied", w.Name)
		}
	}
	shifted := append([]byte{0}, data...)[1:]
	if g, err = Decode(shifted); err != nil {
		t.Fatal(err)
	}
	for _, w := range g.Weights() {
		if p := uintptr(unsafe.Pointer(unsafe.SliceData(w.Const.Bytes()))); p%4 != 0 {
			t.Errorf("%q is not aligned", w.Name)
		}
	}
}

func TestEncodeErrors(t *testing.T) {
	for name, change := range map[string]func(*graph.Graph){
		"no outputs":      func(g *graph.Graph) { g.Outputs = nil },
		"name":            func(g *graph.Graph) { g.Name = "\xff" },
		"metadata":        func(g *graph.Graph) { g.Metadata["\xfe"] = "" },
		"symbol":          func(g *graph.Graph) { g.Inputs[0].Type.Shape[0] = graph.Symbol("\xff") },
		"node":            func(g *graph.Graph) { g.Nodes[0].Output.Name = "\xff" },
		"weight":          func(g *graph.Graph) { g.Weights()[0].Name = "\xff" },
		"reserved weight": func(g *graph.Graph) { g.Weights()[0].Name = "__metadata__" },
		"long metadata":   func(g *graph.Graph) { g.Metadata["x"] = strings.Repeat("x", maxHeader) },
	} {
		g := every()
		change(g)
		var b bytes.Buffer
		if err := Encode(&b, g); !errors.Is(err, graph.ErrGraph) || b.Len() != 0 {
			t.Errorf("%s: found error %v after %d bytes", name, err, b.Len())
		}
	}
	for _, after := range []int{0, 1} {
		w := &brokenWriter{after}
		if err := Encode(w, every()); !errors.Is(err, io.ErrShortWrite) {
			t.Errorf("a writer that fails after %d writes: %v", after, err)
		}
	}
}

type brokenWriter struct{ left int }

func (w *brokenWriter) Write(b []byte) (int, error) {
	if w.left--; w.left < 0 {
		return 0, io.ErrShortWrite
	}
	return len(b), nil
}

// file returns a model file of a header and elements.
func file(header string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	return append(append(b, header...), body...)
}

// small returns a model file with one weight, after replacing text in its network and in
// its header.
func small(network, header []string) []byte {
	g := strings.NewReplacer(network...).Replace(`{"name":"n","inputs":[{"name":"x","dtype":"float32","shape":["batch",2]}],` +
		`"nodes":[{"op":"Gemm","inputs":["x","w"],"output":"y"}],"outputs":["y"],"metadata":{"a":"b"}}`)
	text, err := json.Marshal(g)
	if err != nil {
		panic(err)
	}
	h := fmt.Sprintf(`{"__metadata__":{"format":"repvit","version":"1","graph":%s},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}`, text)
	return file(strings.NewReplacer(header...).Replace(h), make([]byte, 8))
}

func TestDecodeErrors(t *testing.T) {
	if _, err := Decode(small(nil, nil)); err != nil {
		t.Fatal(err)
	}
	g := func(from, to string) []byte { return small([]string{from, to}, nil) }
	h := func(from, to string) []byte { return small(nil, []string{from, to}) }
	const node = `{"op":"Gemm","inputs":["x","w"],"output":"y"}`
	for _, c := range []struct {
		name string
		data []byte
		want error
		text string
	}{
		{"nothing", nil, ErrFormat, "found 0 bytes"},
		{"length", binary.LittleEndian.AppendUint64(nil, 1), ErrFormat, "header of 1 bytes, expected at most the 0"},
		{"huge length", append(binary.LittleEndian.AppendUint64(nil, 1<<63), '{'), ErrFormat, "9223372036854775808"},
		{"no json", file("x", nil), ErrFormat, "invalid character"},
		{"array", file("[]", nil), ErrFormat, "expected a JSON object"},
		{"cut off json", file(`{"w":{"dtype":"F32"`, nil), ErrFormat, "EOF"},
		{"no metadata", file("{}", nil), ErrFormat, `format ""`},
		{"behind the json", append(file(`{}x`, nil), 0), ErrFormat, `"x" after`},
		{"PyTorch's", h(`"repvit"`, `"pt"`), ErrFormat, `format "pt"`},
		{"no format", h(`"format"`, `"f"`), ErrFormat, `format ""`},
		{"version 3", h(`"version":"1"`, `"version":"3"`), ErrVersion, `found "3", expected "1" or "2"`},
		{"no version", h(`"version"`, `"v"`), ErrVersion, `found ""`},
		{"graph is no text", h(`"version":"1"`, `"version":1`), ErrFormat, "expected texts by name"},
		{"tensor twice", h(`"w":{`, `"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"w":{`), ErrFormat, `"w": it stands twice`},
		{"type", small(nil, []string{"F32", "BF16", "[1,2]", "[1,4]"}), ErrFormat, `type "BF16"`},
		{"size", h("[1,2]", "[1,3]"), ErrFormat, `tensor "w"`},
		{"negative size", h("[1,2]", "[-1,-2]"), ErrFormat, "no negative numbers"},
		{"overflow", h("[1,2]", "[4294967296,4294967296]"), ErrFormat, `tensor "w"`},
		{"fraction", h("[1,2]", "[1,2.5]"), ErrFormat, "2.5"},
		{"axes", h("[1,2]", "["+strings.Repeat("1,", 64)+"2]"), graph.ErrTooLarge, "65 axes"},
		{"no shape", h(`"shape":[1,2],`, ""), ErrFormat, "expected a dtype, a shape and two data_offsets"},
		{"three offsets", h("[0,8]", "[0,8,8]"), ErrFormat, "expected a dtype, a shape and two data_offsets"},
		{"hole", small(nil, []string{"[0,8]", "[4,8]", "[1,2]", "[1,1]"}), ErrFormat, "without holes"},
		{"beyond the end", h("[0,8]", "[0,12]"), ErrFormat, "inside the file's 8"},
		{"backwards", h("[0,8]", "[0,-8]"), ErrFormat, "expected a dtype, a shape and two data_offsets"},
		{"rest", append(small(nil, nil), 0), ErrFormat, "found 1 more bytes"},
		{"cut off", small(nil, nil)[:len(small(nil, nil))-1], ErrFormat, "inside the file's 7"},
		{"overlap", h(`"w":{`, `"v":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"w":{`), ErrFormat, "without holes"},
		{"unused tensor", h(`"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}`,
			`"v":{"dtype":"F32","shape":[0],"data_offsets":[0,0]},"w":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}`), ErrFormat, `"v", which no node reads`},
		{"unknown field", h(`"dtype"`, `"x":1,"dtype"`), ErrFormat, "expected a dtype, a shape and two data_offsets"},

		{"no network", h(`"graph":`, `"g":`), ErrFormat, "graph: EOF"},
		{"unknown key", g(`"name":"n"`, `"naem":"n"`), ErrFormat, `"naem"`},
		{"key twice", g(`"name":"n"`, `"name":"n","name":"n"`), ErrFormat, "twice"},
		{"operator", g("Gemm", "Loop"), ErrFormat, `operator "Loop"`},
		{"operator of another case", g("Gemm", "gemm"), ErrFormat, `operator "gemm"`},
		{"attributes of an operator without", g(`"op":"Gemm"`, `"op":"Gemm","attributes":{"alpha":2}`), ErrFormat, "alpha"},
		{"attributes missing", g(node, `{"op":"Transpose","inputs":["x"],"output":"y"}`), ErrFormat, "expected the form of"},
		{"attributes short", g(node, `{"op":"Conv","attributes":{"strides":[1],"pads":[0,0,0,0],"group":1},"inputs":["x","w"],"output":"y"}`), ErrFormat, "expected the form of"},
		{"attributes long", g(`"op":"Gemm"`, `"op":"Gemm","attributes":{"a":"`+strings.Repeat("a", 4<<10)+`"}`), ErrFormat, "4104 bytes"},
		{"cast", g(node, `{"op":"Cast","attributes":{"to":"complex64"},"inputs":["x"],"output":"y"}`), ErrFormat, `"complex64"`},
		{"cast by number", g(node, `{"op":"Cast","attributes":{"to":3},"inputs":["x"],"output":"y"}`), ErrFormat, "number"},
		{"operand", g(`["x","w"]`, `["x","v"]`), ErrFormat, `found "v"`},
		{"later operand", g(`["x","w"]`, `["y","w"]`), ErrFormat, `found "y"`},
		{"output", g(`"outputs":["y"]`, `"outputs":["z"]`), ErrFormat, `found "z"`},
		{"no outputs", g(`"outputs":["y"]`, `"outputs":[]`), graph.ErrGraph, "no outputs"},
		{"produced twice", g(node, node+","+node), ErrFormat, `second value named "y"`},
		{"output named like a tensor", g(`"output":"y"`, `"output":"w"`), ErrFormat, `second value named "w"`},
		{"input twice", g(`"inputs":[{`, `"inputs":[{"name":"x","dtype":"float32","shape":[]},{`), ErrFormat, `second value named "x"`},
		{"no name", g(`"y"`, `""`), graph.ErrGraph, "no name"},
		{"input type", g(`float32`, `string`), ErrFormat, `type "string"`},
		{"input size", g(`["batch",2]`, `[-1,2]`), ErrFormat, "size -1"},
		{"input symbol", g(`["batch",2]`, `["",2]`), ErrFormat, "expected a symbol"},
		{"input quotient", g(`"batch"`, `{"symbol":"a","divisor":0}`), ErrFormat, "positive divisor"},
		{"input factor", g(`"batch"`, `{"symbol":"a","divisor":1,"factor":1}`), ErrFormat, "a factor of 2 or more"},
		{"version 1 with a factor", g(`"batch"`, `{"symbol":"a","divisor":1,"factor":2}`), ErrFormat, "found what version 2"},
		{"one output too many", g(`"output":"y"`, `"output":"y","further":["z"]`), graph.ErrGraph, "has 2 outputs, want 1"},
		{"two outputs of one name", g(`"output":"y"`, `"output":"y","further":["y"]`), ErrFormat, "second value named"},
		{"input axes", g(`["batch",2]`, "["+strings.Repeat("1,", 64)+"2]"), graph.ErrTooLarge, "65 axes"},
		{"shapes", g(`["batch",2]`, `["batch",3]`), graph.ErrShape, "3 features"},
		{"nodes first", g(`"inputs":[{"name":"x"`, `"nodes":[],"inputs":[{"name":"x"`), ErrFormat, "before the inputs"},
		{"nodes are no array", g(`[`+node+`]`, "{}"), ErrFormat, "expected an array"},
		{"nesting", g(`"op":"Gemm"`, `"op":"Gemm","attributes":`+strings.Repeat("[", 20000)+strings.Repeat("]", 20000)), ErrFormat, "depth"},
		{"behind the network", g(`"metadata":{"a":"b"}}`, `"metadata":{"a":"b"}}{}`), ErrFormat, "behind the object"},
	} {
		_, err := Decode(c.data)
		if !errors.Is(err, c.want) || !strings.Contains(err.Error(), c.text) {
			t.Errorf("%s: found error %v, expected %v with %q", c.name, err, c.want, c.text)
			continue
		}
		if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrVersion) && !errors.Is(err, graph.ErrTooLarge) && !errors.Is(err, graph.ErrUnsupported) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%s: error %q", c.name, err)
		}
	}
}

func TestIs(t *testing.T) {
	timm, err := os.ReadFile("../testdata/timm_v1.safetensors")
	if err != nil {
		t.Fatal(err)
	}
	ours := small(nil, nil)
	last := file(`{"w":{"dtype":"F32","shape":[],"data_offsets":[0,4]},"__metadata__":{"version":"1","format":"repvit"}}`, nil)
	for name, c := range map[string]struct {
		data []byte
		want bool
	}{
		"ours":             {ours, true},
		"cut off":          {ours[:60], true},
		"metadata last":    {last, true},
		"another version":  {small(nil, []string{`"version":"1"`, `"version":"7"`}), true},
		"timm's":           {timm, false},
		"PyTorch's":        {small(nil, []string{`"repvit"`, `"pt"`}), false},
		"nothing":          {nil, false},
		"zip":              {[]byte("PK\x03\x04aaaaaaaaaaaaaaa"), false},
		"empty header":     {file("{}", nil), false},
		"text as metadata": {file(`{"__metadata__":"repvit"}`, nil), false},
		"broken":           {file(`{"a":`, nil), false},
	} {
		if got := Is(c.data); got != c.want {
			t.Errorf("%s: found %v", name, got)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(small(nil, nil))
	var b bytes.Buffer
	if err := Encode(&b, every()); err != nil {
		f.Fatal(err)
	}
	f.Add(b.Bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		Is(data)
		g, err := Decode(data)
		if err != nil {
			if !errors.Is(err, ErrFormat) && !errors.Is(err, ErrVersion) && !errors.Is(err, graph.ErrTooLarge) && !errors.Is(err, graph.ErrUnsupported) {
				t.Fatalf("error of no kind: %v", err)
			}
			return
		}
		if !Is(data) {
			t.Fatal("decoded, but not recognised")
		}
		again, err := Decode(encode(t, g))
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(encode(t, again), encode(t, g)) {
			t.Fatal("decoded and encoded again, the bytes differ")
		}
	})
}

func BenchmarkEncode(b *testing.B) {
	g := trained(b, "v2_release.pth")
	b.SetBytes(int64(len(encode(b, g))))
	for b.Loop() {
		if err := Encode(io.Discard, g); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkDecode(b *testing.B) {
	data := encode(b, trained(b, "v2_release.pth"))
	b.SetBytes(int64(len(data)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := Decode(data); err != nil {
			b.Fatal(err)
		}
	}
}
