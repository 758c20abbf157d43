package verify

import (
	"context"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/npy"
	"github.com/repvit-go/repvit/pytorch"
)

// backbone returns a checkpoint's network with its feature maps as outputs.
func backbone(t testing.TB, name string) *graph.Graph {
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
	m, err := family.Build(sd, model.Options{Features: true})
	if err != nil {
		t.Fatal(err)
	}
	return m.Graph
}

func TestExpect(t *testing.T) {
	x := random(t, 2, 3, 64, 64)
	maps := fast(t, backbone(t, "v2_release.pth"))
	all, err := RunAll(context.Background(), maps, x)
	if err != nil {
		t.Fatal(err)
	}
	var right []npy.Array
	for i, v := range maps.Graph().Outputs {
		right = append(right, npy.Array{Name: v.Name, Tensor: all[i]})
	}
	last := right[len(right)-1]
	wrong := append([]float32(nil), last.Tensor.Float32s()...)
	wrong[7] += 0.01 * float32(max(1, magnitude(last.Tensor)))
	spoilt := npy.Array{Name: last.Name, Tensor: graph.Float32Tensor(last.Tensor.Shape, wrong)}
	for _, c := range []struct {
		name        string
		want        []npy.Array
		equal       bool
		compared    int
		notCompared []string
		differs     string
	}{
		{"all of them", right, true, len(right), nil, ""},
		{"in any order", []npy.Array{right[1], right[0]}, true, 2, []string{"stage3", "stage4"}, ""},
		{"one", right[2:3], true, 1, []string{"stage1", "stage2", "stage4"}, ""},
		{"one is wrong", append(slices.Clone(right[:len(right)-1]), spoilt), false, len(right), nil, last.Name},
	} {
		for _, e := range []Engine{maps, truth(t, maps.Graph())} {
			r, err := Expect(context.Background(), e, x, c.want, DefaultTolerance)
			if err != nil {
				t.Fatal(err)
			}
			differs := ""
			if r.FirstDivergence != nil {
				differs = r.FirstDivergence.Value
			}
			if r.Equal != c.equal || len(r.Outputs) != c.compared || !slices.Equal(r.NotCompared, c.notCompared) || differs != c.differs {
				t.Errorf("%s: %+v", c.name, r)
			}
			if r.Top1Agree == r.Top1Agree {
				t.Errorf("%s: feature maps have a top-1", c.name)
			}
		}
	}
	logits := fast(t, checkpoint(t, "v2_release.pth"))
	y, err := logits.Run(context.Background(), x)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"", "logits"} {
		if r, err := Expect(context.Background(), logits, x, []npy.Array{{Name: name, Tensor: y}}, DefaultTolerance); err != nil || !r.Equal || r.Top1Agree != 1 {
			t.Errorf("logits named %q: %+v, %v", name, r, err)
		}
	}
	for _, c := range []struct {
		name  string
		e     Engine
		want  []npy.Array
		err   error
		names string // in the message
	}{
		{"another name", maps, append(right, npy.Array{Name: "nonsense", Tensor: y}), ErrOutput, "nonsense"},
		{"the outputs are listed", maps, []npy.Array{{Name: "logits", Tensor: y}}, ErrOutput, "stage1, stage2, stage3, stage4"},
		{"no name for several", maps, []npy.Array{{Tensor: y}}, ErrOutput, "4 outputs"},
		{"nothing", logits, nil, ErrOutput, "logits"},
		{"another shape", logits, []npy.Array{{Name: "logits", Tensor: x}}, graph.ErrShape, "logits"},
	} {
		if _, err := Expect(context.Background(), c.e, x, c.want, DefaultTolerance); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.names) {
			t.Errorf("%s: error %v, want %v and %q", c.name, err, c.err, c.names)
		}
	}
}

func TestCheckOfBackbones(t *testing.T) {
	x := random(t, 2, 3, 64, 64)
	a, b := backbone(t, "v2_release.pth"), backbone(t, "v2_release.pth")
	r, err := Check(context.Background(), fast(t, b), fast(t, a), x, DefaultTolerance)
	if err != nil || !r.Equal || len(r.Outputs) != 4 {
		t.Fatalf("%+v, %v", r, err)
	}
	r, err = Check(context.Background(), fast(t, backbone(t, "v2_channels_last.pth")), fast(t, a), x, DefaultTolerance)
	if err != nil || r.Equal || r.FirstDivergence == nil {
		t.Errorf("another network: %+v, %v", r, err)
	}
}
