package convert

import "testing"

func TestOverlap(t *testing.T) {
	for _, c := range []struct {
		got, want []float32
		iou       float64
	}{
		{[]float32{1, 1, -1, -1}, []float32{1, -1, 1, -1}, 1. / 3},
		{[]float32{2, -1, 3, 0}, []float32{1, -5, 1, -1}, 1},
		{[]float32{-1, -1}, []float32{0, -2}, 1}, // both are empty
		{[]float32{1, 1}, []float32{-1, -1}, 0},
	} {
		if iou := overlap(c.got, c.want); iou != c.iou {
			t.Errorf("%v and %v: %v, want %v", c.got, c.want, iou, c.iou)
		}
	}
}
