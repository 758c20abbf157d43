package verify

import (
	"errors"
	"math"
	"testing"

	"github.com/repvit-go/repvit/graph"
)

func TestProbability(t *testing.T) {
	y := graph.Float64Tensor([]int{1, 3}, []float64{1000, 1000 + math.Log(2), -1e9})
	for class, want := range []float64{1.0 / 3, 2.0 / 3, 0} {
		if got, err := Probability(y, class); err != nil || math.Abs(got-want) > 1e-12 {
			t.Errorf("class %d: %v, %v, want %v", class, got, err, want)
		}
	}
	for _, class := range []int{-1, 3} {
		if _, err := Probability(y, class); !errors.Is(err, graph.ErrShape) {
			t.Errorf("class %d: %v", class, err)
		}
	}
	if _, err := Probability(graph.Float64Tensor([]int{2, 1}, []float64{1, 2}), 0); !errors.Is(err, graph.ErrShape) {
		t.Errorf("two images: %v", err)
	}
}
