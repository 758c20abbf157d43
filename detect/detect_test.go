package detect

import (
	"errors"
	"image"
	"math"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/preprocess"
)

// TestRead reads a detector's answer for an image of 20×10 that fills 40×20 of an input of
// 64×32.
func TestRead(t *testing.T) {
	at := preprocess.Placement{Image: image.Pt(20, 10), Resized: image.Pt(40, 20), Input: image.Pt(64, 32)}
	dets := graph.Float32Tensor([]int{1, 3, 5}, []float32{4, 2, 12, 8, .75, 36, 16, 48, 24, .5, 0, 0, 0, 0, 0})
	labels := graph.Int64Tensor([]int{1, 3}, []int64{3, 1, 0})
	masks := graph.Float32Tensor([]int{1, 3, 1, 2}, []float32{1, 0, 0, 1, 0, 0})
	got, err := Read(dets, labels, masks, at)
	if err != nil || len(got) != 2 {
		t.Fatalf("found %+v, %v", got, err)
	}
	// The second box ends in the padding: what is drawn of its mask is of the whole box.
	for i, want := range []struct {
		Detection
		area int
	}{
		{Detection{Box: [4]float64{2, 1, 6, 4}, Score: .75, Class: 3}, 2 * 3},
		{Detection{Box: [4]float64{18, 8, 20, 10}, Score: .5, Class: 1}, 0},
	} {
		d := got[i]
		if h, w := d.Mask.Size(); d.Box != want.Box || d.Score != want.Score || d.Class != want.Class || d.Mask.Area() != want.area || h != 10 || w != 20 {
			t.Errorf("detection %d: found %+v with %d pixels, expected %+v", i, d, d.Mask.Area(), want)
		}
	}
	if got, err = Read(dets, labels, nil, at); err != nil || len(got) != 2 || got[0].Mask.Area() != 0 {
		t.Errorf("without masks: found %+v, %v", got, err)
	}
	nan := graph.Float32Tensor([]int{1, 1, 5}, []float32{float32(math.NaN()), 0, 1, 1, 1})
	for name, c := range map[string][3]*graph.Tensor{
		"no batch":           {graph.Float32Tensor([]int{3, 5}, make([]float32, 15)), labels, nil},
		"four numbers":       {graph.Float32Tensor([]int{1, 3, 4}, make([]float32, 12)), labels, nil},
		"labels of float32":  {dets, graph.Float32Tensor([]int{1, 3}, make([]float32, 3)), nil},
		"two labels":         {dets, graph.Int64Tensor([]int{1, 2}, make([]int64, 2)), nil},
		"two masks":          {dets, labels, graph.Float32Tensor([]int{1, 2, 1, 2}, make([]float32, 4))},
		"flat masks":         {dets, labels, graph.Float32Tensor([]int{1, 3, 2}, make([]float32, 6))},
		"masks of no pixels": {dets, labels, graph.Float32Tensor([]int{1, 3, 0, 2}, nil)},
		"a box of NaN":       {nan, graph.Int64Tensor([]int{1, 1}, make([]int64, 1)), nil},
	} {
		if _, err := Read(c[0], c[1], c[2], at); !errors.Is(err, graph.ErrShape) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
