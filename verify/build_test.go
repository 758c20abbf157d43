package verify

import (
	"path/filepath"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/preprocess"
	"github.com/repvit-go/repvit/pytorch"
	"github.com/repvit-go/repvit/verify/reference"
)

const testdata = "../testdata"

// checkpoint returns the training form of a network that PyTorch wrote.
func checkpoint(t testing.TB, name string) *graph.Graph {
	t.Helper()
	f, err := pytorch.Open(filepath.Join(testdata, name))
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
	return m.Graph
}

func truth(t testing.TB, g *graph.Graph) Engine {
	t.Helper()
	n, err := reference.New(g, 0)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func fast(t testing.TB, g *graph.Graph) Engine {
	t.Helper()
	s, err := infer.New(g, infer.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

func random(t testing.TB, shape ...int) *graph.Tensor {
	t.Helper()
	x, err := RandomInput(shape, 1)
	if err != nil {
		t.Fatal(err)
	}
	return x
}

// change returns g with one element of a weight multiplied.
func change(t testing.TB, g *graph.Graph, weight string, factor float32) *graph.Graph {
	t.Helper()
	c := g.Clone()
	for _, w := range c.Weights() {
		if w.Name == weight {
			v := append([]float32(nil), w.Const.Float32s()...)
			for i := range v {
				v[i] *= factor
			}
			w.Const = graph.Float32Tensor(w.Const.Shape, v)
			return c
		}
	}
	t.Fatalf("no weight %q", weight)
	return nil
}
