package native

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"unicode/utf8"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/safetensors"
)

// What makes a safetensors file a model.
const (
	formatName = "repvit"
	version1   = "1"
	version2   = "2" // nodes with several outputs, sizes with a factor
)

var typeNames = map[graph.DType]safetensors.DType{
	graph.Float64: "F64", graph.Float32: "F32", graph.Float16: "F16",
	graph.Int64: "I64", graph.Int32: "I32", graph.Int8: "I8", graph.Uint8: "U8", graph.Bool: "BOOL",
}

// Encode writes g. Weights go to w from where they are. The error wraps [graph.ErrGraph] or
// [graph.ErrShape] where g is not valid or has names or metadata that are not UTF-8, or it is
// that of w. Nothing is written of a graph that is refused.
func Encode(w io.Writer, g *graph.Graph) error {
	if err := g.Validate(); err != nil {
		return err
	}
	network, err := encodeGraph(g)
	if err != nil {
		return err
	}
	weights := g.Weights()
	slices.SortStableFunc(weights, func(a, b *graph.Value) int {
		return cmp.Compare(b.Const.DType.Size(), a.Const.DType.Size())
	})
	tensors := make([]safetensors.Tensor, len(weights))
	for i, v := range weights {
		tensors[i] = safetensors.Tensor{Name: v.Name, DType: typeNames[v.Const.DType], Shape: v.Const.Shape}
	}
	header, err := safetensors.Header([][2]string{{"format", formatName}, {"version", version(g)}, {"graph", network}}, tensors)
	if err != nil {
		return fmt.Errorf("%w: %w", graph.ErrGraph, err)
	}
	if len(header)-8 > maxHeader {
		return fmt.Errorf("%w: it needs a header of %d bytes, expected at most %d", graph.ErrGraph, len(header)-8, maxHeader)
	}
	if _, err := w.Write(header); err != nil {
		return err
	}
	for _, v := range weights {
		if _, err := w.Write(v.Const.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// version returns the first version of the format that has a form for g.
func version(g *graph.Graph) string {
	for _, n := range g.Nodes {
		if len(n.Further) != 0 {
			return version2
		}
	}
	for _, v := range g.Inputs {
		for _, d := range v.Type.Shape {
			if d.Mul != 0 {
				return version2
			}
		}
	}
	return version1
}

// encodeGraph returns the network's JSON.
func encodeGraph(g *graph.Graph) (string, error) {
	if err := checkText(g); err != nil {
		return "", err
	}
	n := network{Name: g.Name, Inputs: []input{}, Nodes: make([]node, len(g.Nodes)), Outputs: names(g.Outputs), Metadata: g.Metadata}
	for _, v := range g.Inputs {
		in := input{Name: v.Name, DType: v.Type.DType.String(), Shape: make([]dim, len(v.Type.Shape))}
		for i, d := range v.Type.Shape {
			in.Shape[i] = dim(d)
		}
		n.Inputs = append(n.Inputs, in)
	}
	for i, x := range g.Nodes {
		attributes, err := graph.MarshalOp(x.Op)
		if err != nil {
			return "", fmt.Errorf("%s (%s): %w", x.Name(), x.Op.Kind(), err)
		}
		n.Nodes[i] = node{Op: x.Op.Kind(), Attributes: attributes, Inputs: names(x.Inputs), Output: x.Name(), Further: names(x.Further)}
	}
	text, err := marshal(n)
	return string(text), err
}

func names(vs []*graph.Value) []string {
	r := make([]string, len(vs))
	for i, v := range vs {
		r[i] = v.Name
	}
	return r
}

// checkText refuses what JSON would alter.
func checkText(g *graph.Graph) error {
	texts := []string{g.Name}
	for k, v := range g.Metadata {
		texts = append(texts, k, v)
	}
	for _, v := range g.Inputs {
		texts = append(texts, v.Name)
		for _, d := range v.Type.Shape {
			texts = append(texts, d.Sym)
		}
	}
	for _, n := range g.Nodes {
		texts = append(texts, n.Name())
		texts = append(texts, names(n.Further)...)
	}
	for _, v := range g.Weights() {
		texts = append(texts, v.Name)
	}
	size := 0
	for _, t := range texts {
		if size += len(t); size > maxHeader {
			return fmt.Errorf("%w: names and metadata of more than %d bytes", graph.ErrGraph, maxHeader)
		}
		if !utf8.ValidString(t) {
			return fmt.Errorf("%w: name or metadata %q, expected UTF-8", graph.ErrGraph, clip(t))
		}
	}
	return nil
}

// marshal is json.Marshal without the escapes for HTML.
func marshal(v any) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil, fmt.Errorf("%w: %w", graph.ErrGraph, err)
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), nil
}

// clip shortens text that errors quote.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
