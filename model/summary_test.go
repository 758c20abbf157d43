package model_test

import (
	"testing"

	"github.com/repvit-go/repvit/graph"
	tt "github.com/repvit-go/repvit/internal/torchtest"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/reparam"
)

// TestParts checks that the table's lines add up to the network.
func TestParts(t *testing.T) {
	m := build(t, tt.Safetensors(tt.Tiny().StateDict()...), model.Options{})
	for _, g := range []*graph.Graph{m.Graph, reparam.Fuse(m.Graph)} {
		parts, err := model.Parts(g, 64, 96)
		if err != nil {
			t.Fatal(err)
		}
		macs, err := g.MACs(graph.FixedShape(1, 3, 64, 96))
		if err != nil {
			t.Fatal(err)
		}
		var n, ops int64
		names := ""
		for _, p := range parts {
			n, ops, names = n+p.Parameters, ops+p.MACs, names+p.Name+","
			for i, s := range m.Info.Stages {
				if p.Name == "stage "+string(rune('1'+i)) && (p.Width != s.Width || p.Blocks != s.Blocks || p.SE != s.SE) {
					t.Errorf("%+v, want %+v", p, s)
				}
			}
		}
		if n != g.Parameters() || ops != macs || names != "stem,stage 1,stage 2,head," {
			t.Errorf("%s of %d parameters and %d multiply-accumulates, want %d and %d", names, n, ops, g.Parameters(), macs)
		}
	}
	if i := model.InfoOf(m.Graph); i.Variant != m.Info.Variant || i.Classes != 10 || !i.Distilled || i.Generation != "v2" {
		t.Errorf("%+v", i)
	}
}
