package repvit

import (
	"fmt"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/model"
)

func TestCount(t *testing.T) {
	for _, c := range []struct {
		keys string
		want int
	}{
		{"", 0},
		{"p.0.x", 1},
		{"p.0.x p.1.x p.2.x", 3},
		{"p.2.x p.0.x p.1.x p.10.y", 4}, // 3 is missing, and counts once
		{"p.1.x", 1},
		{"p.00.x p.01.x", 1},  // not spelled like an index: 0 is missing
		{"p.99999.x", 0},      // no network is as deep
		{"p.-1.x p.x.0.y", 0}, // no index
		{"q.0.x pp.0.x p0.x", 0},
	} {
		if got := model.NewKeys(strings.Fields(c.keys)).Count("p"); got != c.want {
			t.Errorf("%q: %d, want %d", c.keys, got, c.want)
		}
	}
}

// TestDetectIsBounded gives keys that claim more blocks than there are keys.
func TestDetectIsBounded(t *testing.T) {
	var keys []string
	for i := range 2000 {
		keys = append(keys, fmt.Sprintf("stages.%d.blocks.9999.token_mixer.conv.c.weight", i), fmt.Sprintf("features.%d.9999.weight", 9999-i))
	}
	for _, more := range []string{"stem.conv1.c.weight", "features.0.0.c.weight"} {
		l, _ := detect(model.NewKeys(append(keys, more)))
		if l != nil && len(l.blocks) > 2*len(keys) {
			t.Errorf("%d blocks from %d keys", len(l.blocks), len(keys))
		}
	}
}

// FuzzDetect checks that no set of keys makes a layout out of proportion.
func FuzzDetect(f *testing.F) {
	f.Add("features.0.0.c.weight\nfeatures.1.token_mixer.0.conv.c.weight\nclassifier.classifier.l.weight")
	f.Add("stem.conv1.c.weight\nstages.0.blocks.0.token_mixer.conv.c.weight\nstages.1.downsample.pre_block.se.fc1.weight\nhead.head_dist.bn.bias")
	f.Add("features.0.0.weight\nfeatures.9999.x.y\n..")
	f.Fuzz(func(t *testing.T, text string) {
		keys := strings.Split(text, "\n")
		l, err := detect(model.NewKeys(keys))
		if l != nil && err == nil && (len(l.blocks) == 0 || len(l.blocks) > 4*len(text)) {
			t.Errorf("%d blocks", len(l.blocks))
		}
	})
}
