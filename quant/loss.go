package quant

import (
	"math"

	"github.com/repvit-go/repvit/graph"
)

// Loss is how far a quantized network's outputs are from those of the float network.
type Loss struct {
	Images int `json:"images"` // that it was measured on
	// SQNR is 10·log₁₀(Σy² / Σ(y−ŷ)²) in decibels, y being the float network's outputs; of
	// several outputs the lowest. It is at most 200, which means that nothing differs, and at
	// least −200, which stands for numbers that are not finite as well.
	SQNR float64 `json:"sqnr_db"`
	// Agree is the share of images, or of pixels, with the same top-1 class; 0 where Classes is
	// false.
	Agree   float64 `json:"agree"`
	Classes bool    `json:"classes"`          // the network gives one row of logits an image, or a pixel
	Pixels  bool    `json:"pixels,omitempty"` // one a pixel
}

// limit is the largest magnitude of a ratio, in dB.
const limit = 200

// Verdict says in a word what a quantized network is good for.
type Verdict string

// The verdicts and the least figures that they take; see [Loss.Verdict].
const (
	Good       Verdict = "good"       // accuracy is the float network's but for chance
	Noticeable Verdict = "noticeable" // some answers change; measure the accuracy
	Unusable   Verdict = "unusable"   // it computes something else
)

// The levels of [Loss.Verdict]. SQNR decides, because it does not depend on how sure a network
// is: one with random weights changes its mind at 30 dB, a trained one keeps 97 % of its
// answers at 10 dB. Agreement only corrects it where logits have so much in common that their
// ratio hides what the classes are told apart by, and only counts where there are images
// enough to count.
const (
	GoodSQNR, GoodAgree     = 20.0, 0.9
	UsableSQNR, UsableAgree = 10.0, 0.5
	agreeImages             = 16
)

// Verdict returns [Good] from [GoodSQNR] and [GoodAgree] on, [Noticeable] from [UsableSQNR] and
// [UsableAgree] on, else [Unusable]. Agreement counts from 16 images on, and that of pixels always.
func (l Loss) Verdict() Verdict {
	agree := 1.0
	if (l.Images >= agreeImages || l.Pixels) && l.Classes {
		agree = l.Agree
	}
	switch {
	case l.SQNR >= GoodSQNR && agree >= GoodAgree:
		return Good
	case l.SQNR >= UsableSQNR && agree >= UsableAgree:
		return Noticeable
	}
	return Unusable // also where the ratio is no number
}

// Estimated returns the verdict on what was measured on made-up images, which can show that a
// network is ruined but not that it is good.
func (v Verdict) Estimated() Verdict {
	if v == Good {
		return Noticeable
	}
	return v
}

// lossOf compares what two networks gave for the same batches, output by output. Logits are
// one output of rows, or a map.
func lossOf(got, want [][]*graph.Tensor, o Options) Loss {
	l := Loss{SQNR: limit, Classes: !o.NoLogits && len(want) == 1}
	for i := range want {
		signal, noise := 0.0, 0.0
		for b, w := range want[i] {
			g := got[i][b].Float32s()
			for j, y := range w.Float32s() {
				d := float64(y) - float64(g[j])
				signal += float64(y) * float64(y)
				noise += d * d
			}
		}
		if noise != 0 {
			db := 10 * math.Log10(signal/noise)
			if !(db >= -limit) { // also where it is no number
				db = -limit
			}
			l.SQNR = min(l.SQNR, db)
		}
	}
	same, rows := 0, 0
	for b, w := range want[0] {
		l.Images += w.Shape[0]
		l.Pixels = o.Maps && len(w.Shape) == 4
		if l.Classes = l.Classes && (len(w.Shape) == 2 || l.Pixels) && w.Shape[1] > 1; !l.Classes {
			continue
		}
		n := w.Shape[1]
		pixels := w.Len() / (w.Shape[0] * n)
		for r := range w.Shape[0] * pixels {
			first := r/pixels*n*pixels + r%pixels
			if k := top1(w.Float32s()[first:], n, pixels); k >= 0 && k == top1(got[0][b].Float32s()[first:], n, pixels) {
				same++
			}
			rows++
		}
	}
	if l.Classes {
		l.Agree = float64(same) / float64(rows)
	} else {
		l.Pixels = false
	}
	return l
}

// top1 returns the index of the largest of n numbers that are step apart, −1 where there is none.
func top1(v []float32, n, step int) int {
	best := -1
	for i := range n {
		if x := v[i*step]; x == x && (best < 0 || x > v[best*step]) {
			best = i
		}
	}
	return best
}
