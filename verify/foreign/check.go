package foreign

import (
	"errors"
	"fmt"
	"strings"
	"unicode"

	onnx "github.com/owulveryck/onnx-go"

	"github.com/repvit-go/repvit/graph"
)

// Errors that the package's functions wrap.
var (
	// ErrUnsupported marks a file that cannot be compared.
	ErrUnsupported = errors.New("not supported by the comparison with onnx-go")
	// ErrDecode marks a file that onnx-go does not read.
	ErrDecode = errors.New("onnx-go refuses the file")
	// ErrDisagree marks a file of which onnx-go reads something else.
	ErrDisagree = errors.New("onnx-go reads something else")
)

// Report says how much was compared and found equal.
type Report struct {
	Nodes        int   `json:"nodes"` // of the file
	Edges        int   `json:"edges"` // operands of all nodes
	Initializers int   `json:"initializers"`
	Elements     int64 `json:"elements"` // of all initializers
}

// Check decodes an ONNX file with onnx-go and compares the result with g, what package onnx
// decoded from the same bytes. The error wraps [ErrDisagree] and names the node or
// initializer, what onnx-go found and what was expected; or it wraps [ErrDecode] or
// [ErrUnsupported].
func Check(data []byte, g *graph.Graph) (*Report, error) {
	if err := holdable(g); err != nil {
		return nil, err
	}
	bare, err := strip(data)
	if err != nil {
		return nil, err
	}
	b, err := decode(bare)
	if err != nil {
		return nil, err
	}
	if err := b.comparable(); err != nil {
		return nil, err
	}
	return b.compare(g)
}

// holdable reports whether onnx-go has a form for all values of g.
func holdable(g *graph.Graph) error {
	types, err := g.Infer()
	if err != nil {
		return err
	}
	check := func(v *graph.Value) error {
		switch d := types[v].DType; d {
		case graph.Float16, graph.Int8, graph.Uint8, graph.Bool:
			return fmt.Errorf("%w: %q is of %v", ErrUnsupported, v.Name, d)
		}
		return nil
	}
	for _, v := range g.Inputs {
		if err := check(v); err != nil {
			return err
		}
	}
	for _, n := range g.Nodes {
		for _, v := range n.Inputs {
			if err := check(v); err != nil {
				return err
			}
		}
		if len(n.Further) != 0 || n.Is(graph.Coordinates) {
			return fmt.Errorf("%w: %s (%s) has nodes with several outputs", ErrUnsupported, n.Name(), n.Op.Kind())
		}
		if err := check(n.Output); err != nil {
			return err
		}
	}
	return nil
}

// decode runs onnx-go's decoder.
func decode(data []byte) (b *backend, err error) {
	defer func() {
		if r := recover(); r != nil {
			b, err = nil, fmt.Errorf("%w: panic: %s", ErrDecode, line(fmt.Sprint(r)))
		}
	}()
	b = &backend{}
	m := onnx.NewModel(b)
	if err := m.UnmarshalBinary(data); err != nil {
		return nil, fmt.Errorf("%w: %s", ErrDecode, line(err.Error()))
	}
	for _, id := range m.Input {
		b.inputs = append(b.inputs, b.values[id].name)
	}
	for _, id := range m.Output {
		b.outputs = append(b.outputs, b.values[id].name)
	}
	return b, nil
}

// line makes foreign text, which may quote the file, one printable line.
func line(s string) string {
	const most = 200
	s = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, s)
	if len(s) > most {
		s = strings.ToValidUTF8(s[:most], "") + "…"
	}
	return s
}
