package native

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"

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
