package model

import (
	"slices"
	"strings"
)

// Info is what names and shapes say about a network.
type Info struct {
	Family     string  `json:"family"`     // "official" or "timm": the naming of the keys
	Variant    string  `json:"variant"`    // "RepViT-M0.9", or "RepViT (custom)"; a label only
	Generation string  `json:"generation"` // "v1", "v2", "mixed" or, where it can't be told any more, "fused"
	Classes    int     `json:"classes"`
	Distilled  bool    `json:"distilled"` // two heads, whose mean is the output
	Stages     []Stage `json:"stages"`
	BNEpsilon  float64 `json:"bn_epsilon"`
	Taps       Taps    `json:"taps"`           // of feature maps
	Head       string  `json:"head,omitempty"` // where the output comes from, where it is not the network's own head
}

// Stage is a run of blocks of one width; the strided block that begins a stage counts.
type Stage struct {
	Width  int    `json:"width"`
	Blocks int    `json:"blocks"`
	SE     string `json:"se"` // a digit for each block: 1 with squeeze-and-excitation
}

// Variant is a published network.
type Variant struct {
	Name       string
	Generation string
	Stages     []Stage
}

func stages(widths [4]int, se ...string) []Stage {
	s := make([]Stage, 4)
	for i := range s {
		s[i] = Stage{widths[i], len(se[i]), se[i]}
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

// name finds the published variant. A fused network of a shape that both generations have
// gets the name of the second.
func (i *Info) name() {
	i.Variant = "RepViT (custom)"
	for _, v := range Variants() {
		if slices.Equal(v.Stages, i.Stages) && (v.Generation == i.Generation || i.Generation == "fused") {
			i.Variant = "RepViT-" + v.Name
			return
		}
	}
}
