package evaluate

import "github.com/repvit-go/repvit/verify"

// Metrics are accumulators: counts that images are added to, one by one, and that merge, so
// parts of a data set may be evaluated in any order and in several places. Zero values are
// those of no image.

// Accuracy counts the images whose label is the network's first class, or one of its first five.
type Accuracy struct {
	Images, Top1, Top5 int
}

// Add adds an image of a class, which must be one of the logits. Logits that are not numbers
// are no answer.
func (a *Accuracy) Add(logits []float64, class int) {
	a.Images++
	if verify.Top1(logits) == class {
		a.Top1++
	}
	if logits[class] == logits[class] && verify.Rank(logits, class) < 5 {
		a.Top5++
	}
}

// Merge adds the images that another has counted.
func (a *Accuracy) Merge(b Accuracy) {
	a.Images += b.Images
	a.Top1 += b.Top1
	a.Top5 += b.Top5
}

// Shares are between 0 and 1; 0 for no images.
func (a Accuracy) Shares() (top1, top5 float64) {
	return share(a.Top1, a.Images), share(a.Top5, a.Images)
}

// Agreement counts the images for which two networks have the same top-1 class, and measures
// how far their logits are apart.
type Agreement struct {
	Images, Same int
	Distance     verify.Distance // over all logits
}

// Add adds an image by its logits, as many of one network as of the other.
func (a *Agreement) Add(got, want []float64) {
	a.Images++
	if k := verify.Top1(got); k >= 0 && k == verify.Top1(want) {
		a.Same++
	}
	a.Distance.Add(got, want)
}

// Merge adds the images that another has counted.
func (a *Agreement) Merge(b Agreement) {
	a.Images += b.Images
	a.Same += b.Same
	a.Distance.Merge(b.Distance)
}

// Share is between 0 and 1; 0 for no images.
func (a Agreement) Share() float64 { return share(a.Same, a.Images) }

func share(n, of int) float64 { return float64(n) / float64(max(of, 1)) }
