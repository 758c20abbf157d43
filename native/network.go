package native

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"reflect"

	"github.com/repvit-go/repvit/graph"
)

// network is the JSON of a graph.
type network struct {
	Name     string            `json:"name"`
	Inputs   []input           `json:"inputs"`
	Nodes    []node            `json:"nodes"`
	Outputs  []string          `json:"outputs"`
	Metadata map[string]string `json:"metadata,omitempty"`
}

type input struct {
	Name  string `json:"name"`
	DType string `json:"dtype"`
	Shape []dim  `json:"shape"`
}

type node struct {
	Op         string          `json:"op"`
	Attributes json.RawMessage `json:"attributes,omitempty"`
	Inputs     []string        `json:"inputs"`
	Output     string          `json:"output"`
	Further    []string        `json:"further,omitempty"` // version 2
}

// dim is a size: a number, a symbol, null, or a formula of a symbol.
type dim graph.Dim

// formula is factor·⌈symbol/divisor⌉.
type formula struct {
	Symbol  string `json:"symbol"`
	Divisor int    `json:"divisor"`
	Factor  int    `json:"factor,omitempty"` // version 2
}

func (d dim) MarshalJSON() ([]byte, error) {
	switch {
	case d.Div == 0:
		return marshal(d.Size)
	case d.Sym == "":
		return []byte("null"), nil
	case d.Div == 1 && d.Mul == 0:
		return marshal(d.Sym)
	}
	return marshal(formula{d.Sym, d.Div, d.Mul})
}

func (d *dim) UnmarshalJSON(text []byte) error {
	var err error
	switch text[0] {
	case 'n':
		*d = dim{Div: 1}
	case '"':
		*d = dim{Div: 1}
		err = json.Unmarshal(text, &d.Sym)
	case '{':
		var f formula
		err = strict(text, &f)
		*d = dim{Sym: f.Symbol, Div: f.Divisor, Mul: f.Factor}
	default:
		*d = dim{}
		err = json.Unmarshal(text, &d.Size)
		if err == nil && d.Size < 0 {
			err = fmt.Errorf("found size %d, expected no negative number", d.Size)
		}
		return err
	}
	if err == nil && text[0] != 'n' && (d.Sym == "" || d.Div < 1 || d.Div > math.MaxInt32 || d.Mul < 0 || d.Mul == 1 || d.Mul > math.MaxInt32) {
		err = fmt.Errorf("found size %s, expected a symbol with a positive divisor, and a factor of 2 or more if there is one", clip(string(text)))
	}
	return err
}

// maxAttributes bounds the JSON of a node's attributes.
const maxAttributes = 4 << 10

// ops are the operators by name: an operator's attributes are its fields.
var ops = func() map[string]reflect.Type {
	m := map[string]reflect.Type{}
	for _, op := range graph.Ops() {
		m[op.Kind()] = reflect.TypeOf(op)
	}
	return m
}()

// encodeOp returns an operator's attributes, nil where it has none.
func encodeOp(op graph.Op) (json.RawMessage, error) {
	text, err := marshal(op)
	if err != nil || string(text) == "{}" {
		return nil, err
	}
	return text, nil
}

func decodeOp(t reflect.Type, text json.RawMessage) (graph.Op, error) {
	op := reflect.New(t)
	if err := exact(text, op.Interface()); err != nil {
		return nil, err
	}
	return op.Elem().Interface().(graph.Op), nil
}

// exact decodes an object that must have every field of v, with nothing missing and nothing
// left over, which encoding/json alone does not ask for.
func exact(text []byte, v any) error {
	if len(text) == 0 {
		text = []byte("{}")
	}
	if len(text) > maxAttributes {
		return fmt.Errorf("found attributes of %d bytes, expected at most %d", len(text), maxAttributes)
	}
	if err := json.Unmarshal(text, v); err != nil {
		return err
	}
	back, err := marshal(v)
	if err != nil {
		return err
	}
	if bytes.Equal(back, text) {
		return nil
	}
	var a, b any
	if err := errors.Join(json.Unmarshal(text, &a), json.Unmarshal(back, &b)); err != nil {
		return err
	}
	if !reflect.DeepEqual(a, b) {
		return fmt.Errorf("found attributes %s, expected the form of %s", clip(string(text)), clip(string(back)))
	}
	return nil
}

// strict decodes JSON without fields that v does not have.
func strict(text []byte, v any) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(v)
}

// dtype returns the type with a name of package graph.
func dtype(name string) (graph.DType, bool) {
	for t := range typeNames {
		if t.String() == name {
			return t, true
		}
	}
	return 0, false
}
