package model_test

import (
	"path/filepath"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/reparam"
)

// TestFamiliesFuse: of every block's branches one convolution is left.
func TestFamiliesFuse(t *testing.T) {
	files, err := filepath.Glob("../testdata/families/*.p*")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, path := range files {
		if filepath.Ext(path) != ".pth" && filepath.Ext(path) != ".pt" {
			continue
		}
		t.Run(filepath.Base(path), func(t *testing.T) {
			f, err := pytorch.Open(path)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			sd, err := f.StateDict(pytorch.Options{Networks: family.Networks})
			if err != nil {
				t.Fatal(err)
			}
			m, err := family.Build(sd, model.Options{})
			if err != nil {
				t.Fatal(err)
			}
			if m.Info.Family == "MobileNetV3" {
				// It has no branches, but residuals around every block.
				for _, n := range reparam.Fuse(m.Graph).Nodes {
					if _, ok := n.Op.(graph.BatchNorm); ok {
						t.Errorf("%s is left", n.Name())
					}
				}
				return
			}
			blocks := 1
			for _, s := range m.Info.Stages {
				blocks += s.Blocks
			}
			convs := 0
			for _, n := range reparam.Fuse(m.Graph).Nodes {
				switch n.Op.(type) {
				case graph.Conv:
					convs++
				case graph.BatchNorm, graph.Add:
					t.Errorf("%s is left as %s", n.Name(), n.Op.Kind())
				case graph.GlobalAveragePool:
					if n.Name() != "pool" {
						convs -= 2 // squeeze-and-excitation has two of its own
					}
				}
			}
			if convs != blocks {
				t.Errorf("%d convolutions, want one for each of %d blocks", convs, blocks)
			}
		})
	}
}

// TestPublished names the networks of the papers by their stages.
func TestPublished(t *testing.T) {
	for _, f := range family.All() {
		n := 0
		for _, other := range family.All() {
			if other.Name == f.Name {
				n++
			}
		}
		if n != 1 || f.Networks == nil || f.Detect == nil {
			t.Errorf("%s stands %d times in the list", f.Name, n)
		}
	}
}
