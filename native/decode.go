package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"unsafe"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/safetensors"
)

// Errors that [Decode] wraps.
var (
	ErrFormat  = errors.New("malformed model file")
	ErrVersion = errors.New("unknown version of the model format")
)

const (
	maxHeader   = 32 << 20
	maxTensors  = 1 << 17
	maxOperands = 1 << 10 // of a node
)

var types = func() map[safetensors.DType]graph.DType {
	m := map[safetensors.DType]graph.DType{}
	for t, name := range typeNames {
		m[name] = t
	}
	return m
}()

// Is reports whether data begins like a file that [Encode] wrote, and not like another
// safetensors file, such as PyTorch's.
func Is(data []byte) bool {
	format, ok := safetensors.Metadata(data, "format")
	return ok && format == formatName
}

// Decode reads a model. Its weights are views of data, which must not change while the
// graph is in use; only those that are not aligned for their type are copied. The error
// wraps [ErrVersion], or [graph.ErrTooLarge] or [graph.ErrUnsupported] for a network that
// exceeds what package graph allows, or [ErrFormat], together with [graph.ErrGraph] or
// [graph.ErrShape] where the network makes no sense.
func Decode(data []byte) (*graph.Graph, error) {
	f, err := safetensors.Decode(data, maxHeader)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrFormat, err)
	}
	switch format, found := f.Metadata["format"], f.Metadata["version"]; {
	case format != formatName:
		return nil, malformed("header, __metadata__", "found format %q, expected %q", clip(format), formatName)
	case found != version1 && found != version2:
		return nil, fmt.Errorf("%w: found %q, expected %q or %q", ErrVersion, clip(found), version1, version2)
	case len(f.Tensors) > maxTensors:
		return nil, fmt.Errorf("header: %w: found %d tensors, expected at most %d", graph.ErrTooLarge, len(f.Tensors), maxTensors)
	}
	weights := make(map[string]*graph.Value, len(f.Tensors))
	for i := range f.Tensors {
		t := &f.Tensors[i]
		if weights[t.Name], err = weight(t); err != nil {
			return nil, err
		}
	}
	g, err := decodeGraph(f.Metadata["graph"], weights)
	if err != nil {
		return nil, err
	}
	if v := version(g); f.Metadata["version"] < v {
		return nil, malformed("graph", "found what version %s of the format has, expected version %s", v, version1)
	}
	return g, nil
}

func malformed(place, format string, args ...any) error {
	return fmt.Errorf("%w: %s: %s", ErrFormat, place, fmt.Sprintf(format, args...))
}

// object calls f for every key of a JSON object, with the decoder before the value, and
// checks that nothing follows.
func object(text []byte, f func(d *json.Decoder, key string) error) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if t, err := d.Token(); err != nil {
		return err
	} else if t != json.Delim('{') {
		return fmt.Errorf("found %v, expected an object", t)
	}
	for d.More() {
		t, err := d.Token()
		if err != nil {
			return err
		}
		key, ok := t.(string)
		if !ok {
			return fmt.Errorf("byte %d: found %v, expected a key", d.InputOffset(), t)
		}
		if err := f(d, key); err != nil {
			return fmt.Errorf("%q: %w", clip(key), err)
		}
	}
	if _, err := d.Token(); err != nil {
		return err
	}
	if rest := bytes.TrimLeft(text[d.InputOffset():], " "); len(rest) != 0 {
		return fmt.Errorf("byte %d: found %q behind the object, expected blanks", d.InputOffset(), clip(string(rest)))
	}
	return nil
}

// wrap makes an error one of this format, unless it is one of its version or of the limits
// of networks.
func wrap(place string, err error) error {
	switch {
	case errors.Is(err, ErrVersion):
		return err
	case errors.Is(err, graph.ErrTooLarge), errors.Is(err, graph.ErrUnsupported):
		return fmt.Errorf("%s: %w", place, err)
	}
	return fmt.Errorf("%w: %s: %w", ErrFormat, place, err)
}

// weight makes a value of a tensor, a view of the file where it is aligned for its type.
func weight(t *safetensors.Tensor) (*graph.Value, error) {
	place, data := fmt.Sprintf("tensor %q", clip(t.Name)), t.Data
	d, ok := types[t.DType]
	if !ok {
		return nil, malformed(place, "found type %q, expected F64, F32, F16, I64, I32, I8 or U8", clip(string(t.DType)))
	}
	if len(t.Shape) > graph.MaxAxes {
		return nil, fmt.Errorf("%s: %w: found %d axes, expected at most %d", place, graph.ErrTooLarge, len(t.Shape), graph.MaxAxes)
	}
	if uintptr(unsafe.Pointer(unsafe.SliceData(data)))%uintptr(d.Size()) != 0 {
		data = slices.Clone(data)
	}
	c, err := graph.NewTensor(d, t.Shape, data)
	if err != nil {
		return nil, wrap(place, err)
	}
	return graph.Weight(t.Name, c), nil
}

// builder makes the graph, node by node.
type builder struct {
	g       *graph.Graph
	weights map[string]*graph.Value
	values  map[string]*graph.Value // inputs and what nodes produced so far
	used    map[string]bool         // weights
	outputs []string
}

func decodeGraph(text string, weights map[string]*graph.Value) (*graph.Graph, error) {
	b := &builder{g: &graph.Graph{}, weights: weights, values: map[string]*graph.Value{}, used: map[string]bool{}}
	seen := map[string]bool{}
	err := object([]byte(text), func(d *json.Decoder, key string) error {
		if seen[key] {
			return fmt.Errorf("found it twice")
		}
		seen[key] = true
		switch key {
		case "name":
			return d.Decode(&b.g.Name)
		case "metadata":
			return d.Decode(&b.g.Metadata)
		case "outputs":
			return d.Decode(&b.outputs)
		case "inputs":
			return each(d, b.input)
		case "nodes":
			if !seen["inputs"] {
				return fmt.Errorf("found it before the inputs, expected it behind them")
			}
			return each(d, b.node)
		}
		return fmt.Errorf("found an unknown key, expected name, inputs, nodes, outputs or metadata")
	})
	if err == nil {
		err = b.finish()
	}
	if err == nil {
		err = b.g.Validate()
	}
	if err != nil {
		return nil, wrap("graph", err)
	}
	return b.g, nil
}

// each calls f for the elements of an array, one at a time.
func each[T any](d *json.Decoder, f func(*T) error) error {
	if t, err := d.Token(); err != nil {
		return err
	} else if t != json.Delim('[') {
		return fmt.Errorf("found %v, expected an array", t)
	}
	for i := 0; d.More(); i++ {
		var v T
		if err := d.Decode(&v); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
		if err := f(&v); err != nil {
			return fmt.Errorf("element %d: %w", i, err)
		}
	}
	_, err := d.Token()
	return err
}

// define adds a value under a name that nothing else has.
func (b *builder) define(v *graph.Value) error {
	if b.values[v.Name] != nil || b.weights[v.Name] != nil {
		return fmt.Errorf("found a second value named %q", clip(v.Name))
	}
	b.values[v.Name] = v
	return nil
}

func (b *builder) input(in *input) error {
	t, ok := dtype(in.DType)
	if !ok {
		return fmt.Errorf("found type %q of input %q", clip(in.DType), clip(in.Name))
	}
	if len(in.Shape) > graph.MaxAxes {
		return fmt.Errorf("%w: found %d axes of input %q, expected at most %d", graph.ErrTooLarge, len(in.Shape), clip(in.Name), graph.MaxAxes)
	}
	shape := make(graph.Shape, len(in.Shape))
	for i, d := range in.Shape {
		shape[i] = graph.Dim(d)
	}
	v := &graph.Value{Name: in.Name, Type: &graph.Type{DType: t, Shape: shape}}
	b.g.Inputs = append(b.g.Inputs, v)
	return b.define(v)
}

func (b *builder) node(n *node) error {
	switch {
	case len(b.g.Nodes) == graph.MaxNodes:
		return fmt.Errorf("%w: found more than %d nodes", graph.ErrTooLarge, graph.MaxNodes)
	case len(n.Inputs) > maxOperands:
		return fmt.Errorf("%q: %w: found %d operands, expected at most %d", clip(n.Output), graph.ErrTooLarge, len(n.Inputs), maxOperands)
	}
	op, err := graph.UnmarshalOp(n.Op, n.Attributes)
	if err != nil {
		return fmt.Errorf("%q: %w", clip(n.Output), err)
	}
	in := make([]*graph.Value, len(n.Inputs))
	for i, name := range n.Inputs {
		if in[i], err = b.operand(name); err != nil {
			return fmt.Errorf("%q (%s): %w", clip(n.Output), n.Op, err)
		}
	}
	if len(n.Further) > maxOperands {
		return fmt.Errorf("%q: %w: found %d outputs, expected at most %d", clip(n.Output), graph.ErrTooLarge, 1+len(n.Further), maxOperands)
	}
	for _, v := range b.g.AddSeveral(append([]string{n.Output}, n.Further...), op, in...) {
		if err := b.define(v); err != nil {
			return err
		}
	}
	return nil
}

// operand returns the value with a name.
func (b *builder) operand(name string) (*graph.Value, error) {
	if v, ok := b.values[name]; ok {
		return v, nil
	}
	v, ok := b.weights[name]
	if !ok {
		return nil, fmt.Errorf("found %q, which is no input, tensor or earlier output", clip(name))
	}
	b.used[name] = true
	return v, nil
}

// finish resolves the outputs and looks for tensors that nothing reads.
func (b *builder) finish() error {
	for _, name := range b.outputs {
		v, err := b.operand(name)
		if err != nil {
			return fmt.Errorf("outputs: %w", err)
		}
		b.g.Outputs = append(b.g.Outputs, v)
	}
	if len(b.used) == len(b.weights) {
		return nil
	}
	var unused []string
	for name := range b.weights {
		if !b.used[name] {
			unused = append(unused, name)
		}
	}
	return fmt.Errorf("found tensor %q, which no node reads", clip(slices.Min(unused)))
}
