package npy

import (
	"bytes"
	"errors"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/graph"
)

func TestWriteZip(t *testing.T) {
	arrays := []Array{
		{"logits", graph.Float32Tensor([]int{2, 3}, []float32{1, 2, 3, float32(math.Inf(1)), 5, 6})},
		{"/model.0/stage 1", graph.Float64Tensor([]int{1}, []float64{0.1})},
		{"größe", graph.Int64Tensor([]int{}, []int64{-7})},
		{"nothing", graph.Float32Tensor([]int{0, 4}, nil)},
		{strings.Repeat("x", 4<<10-4), graph.Uint8Tensor([]int{1}, []uint8{9})},
	}
	var first, second bytes.Buffer
	for _, b := range []*bytes.Buffer{&first, &second} {
		if err := WriteZip(b, arrays); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(first.Bytes(), second.Bytes()) {
		t.Error("the same arrays give other bytes")
	}
	got, err := ReadArrays(first.Bytes())
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(arrays) {
		t.Fatalf("%d arrays, want %d", len(got), len(arrays))
	}
	for i, a := range arrays {
		if g := got[i]; g.Name != a.Name || g.Tensor.DType != a.Tensor.DType || !slices.Equal(g.Tensor.Shape, a.Tensor.Shape) || !bytes.Equal(g.Tensor.Bytes(), a.Tensor.Bytes()) {
			t.Errorf("array %q became %q, %v of %v", clip(a.Name), clip(g.Name), g.Tensor.DType, g.Tensor.Shape)
		}
	}
	one := arrays[0].Tensor
	for name, bad := range map[string][]Array{
		"no name": {{"", one}}, "a name twice": {{"a", one}, {"a", one}}, "a long name": {{strings.Repeat("x", 4<<10), one}}, "not UTF-8": {{"\xff", one}},
	} {
		if err := WriteZip(&first, bad); !errors.Is(err, ErrFormat) {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestReadArrays(t *testing.T) {
	var b bytes.Buffer
	if err := Write(&b, graph.Float32Tensor([]int{2}, []float32{1, 2})); err != nil {
		t.Fatal(err)
	}
	got, err := ReadArrays(b.Bytes())
	if err != nil || len(got) != 1 || got[0].Name != "" || got[0].Tensor.Len() != 2 {
		t.Errorf("%v, %v", got, err)
	}
	for _, bad := range []string{"", "PK", "PK\x03\x04", "neither"} {
		if _, err := ReadArrays([]byte(bad)); !errors.Is(err, ErrFormat) {
			t.Errorf("%q: error %v", bad, err)
		}
	}
}
