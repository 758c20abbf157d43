package repvit

import (
	"slices"
	"strings"

	"github.com/repvit-go/repvit/model"
)

// Variant is a published network.
type Variant struct {
	Name       string
	Generation string
	Stages     []model.Stage
}

func stages(widths [4]int, se ...string) []model.Stage {
	s := make([]model.Stage, 4)
	for i := range s {
		s[i] = model.Stage{Width: widths[i], Blocks: len(se[i]), SE: se[i]}
	}
	return s
}

// Variants are the networks that THU-MIG/RepViT publishes (model/repvit.py), those of the
// second generation first.
func Variants() []Variant {
	m09 := []string{"100", "0100", "0101010101010100", "010"}
	m11 := []string{"100", "0100", "01010101010100", "010"}
	return []Variant{
		{"M0.6", "v2", stages([4]int{40, 80, 160, 320}, "10", "010", "0101010100", "01")},
		{"M0.9", "v2", stages([4]int{48, 96, 192, 384}, m09...)},
		{"M1.0", "v2", stages([4]int{56, 112, 224, 448}, m09...)},
		{"M1.1", "v2", stages([4]int{64, 128, 256, 512}, m11...)},
		{"M1.5", "v2", stages([4]int{64, 128, 256, 512}, "10100", "010100", strings.Repeat("01", 12)+"00", "01010")},
		{"M2.3", "v2", stages([4]int{80, 160, 320, 640}, "1010100", "01010100", strings.Repeat("01", 17)+"00", "010")},
		{"M1", "v1", stages([4]int{48, 96, 192, 384}, m09...)},
		{"M2", "v1", stages([4]int{64, 128, 256, 512}, m11...)},
		{"M3", "v1", stages([4]int{64, 128, 256, 512}, "10100", "010100", strings.Repeat("01", 9)+"00", "010")},
	}
}

// variant finds the published network. A fused network of a shape that both generations have
// gets the name of the second.
func variant(i *model.Info) string {
	for _, v := range Variants() {
		if slices.Equal(v.Stages, i.Stages) && (v.Generation == i.Generation || i.Generation == "fused") {
			return "RepViT-" + v.Name
		}
	}
	return "RepViT (custom)"
}
