package native

import (
	"bytes"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/optest"
)

func TestOperators(t *testing.T) {
	for _, c := range append(optest.Cases(), optest.Case{Name: "several inputs", Graph: optest.Several()}) {
		graphs := []*graph.Graph{c.Graph}
		if g, _ := optest.Int8(c.Graph); g != nil {
			graphs = append(graphs, g)
		}
		for _, g := range graphs {
			data := encode(t, g)
			got, err := Decode(data)
			if err != nil {
				t.Errorf("%s: %v", c.Name, err)
				continue
			}
			equal(t, got, g)
			if !bytes.Equal(encode(t, got), data) {
				t.Errorf("%s: decoded and encoded again, the bytes differ", c.Name)
			}
		}
	}
}
