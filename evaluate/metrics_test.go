package evaluate

import (
	"math/rand/v2"
	"testing"
)

// TestMerge adds images to several accumulators and to one.
func TestMerge(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	var whole, parts Accuracy
	var agreed, agreedParts Agreement
	for range 7 {
		var part Accuracy
		var agreedPart Agreement
		for range rng.IntN(9) {
			got, want := make([]float64, 8), make([]float64, 8)
			for i := range got {
				want[i] = float64(rng.IntN(1 << 10))
				got[i] = want[i] + float64(rng.IntN(256)) // sums of small integers are exact
			}
			class := rng.IntN(8)
			whole.Add(got, class)
			part.Add(got, class)
			agreed.Add(got, want)
			agreedPart.Add(got, want)
		}
		parts.Merge(part)
		agreedParts.Merge(agreedPart)
	}
	if parts != whole || whole.Images == 0 || whole.Top5 <= whole.Top1 {
		t.Errorf("found %+v, expected %+v", parts, whole)
	}
	if agreedParts != agreed || agreed.Same == 0 || agreed.Same == agreed.Images {
		t.Errorf("found %+v, expected %+v", agreedParts, agreed)
	}
}

func TestMetrics(t *testing.T) {
	var a Accuracy
	if top1, top5 := a.Shares(); top1 != 0 || top5 != 0 || (Agreement{}).Share() != 0 {
		t.Error("no images have a share")
	}
	for _, c := range []struct {
		logits []float64
		class  int
	}{
		{[]float64{1, 3, 2, 0, 0, 0}, 1},      // right
		{[]float64{6, 5, 4, 3, 2, 1}, 4},      // the fifth
		{[]float64{6, 5, 4, 3, 2, 1}, 5},      // the sixth
		{[]float64{nan, nan, nan, nan, 0}, 0}, // no number
	} {
		a.Add(c.logits, c.class)
	}
	if want := (Accuracy{4, 1, 2}); a != want {
		t.Errorf("found %+v, expected %+v", a, want)
	}
	var g Agreement
	g.Add([]float64{1, 2}, []float64{1, 2})
	g.Add([]float64{2, 1}, []float64{1, 2})
	g.Add([]float64{nan, nan}, []float64{nan, nan})
	if g.Images != 3 || g.Same != 1 {
		t.Errorf("found %+v", g)
	}
}
