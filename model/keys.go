package model

import (
	"fmt"
	"strconv"
)

// block is one block of the network as the state dict's keys spell it. Fields are key
// prefixes; an empty one is a part that the block lacks.
type block struct {
	name       string // canonical name of the block's output, "features.3"
	token      string // RepVGGDW, or the strided depthwise convolution
	se         string // squeeze-and-excitation
	pointwise  string // the 1×1 convolution of a strided block, else empty
	mix1, mix2 string // the channel mixer's convolutions
}

func (b block) strided() bool { return b.pointwise != "" }

// head is one linear classifier: BatchNorm and Linear, or a fused Linear.
type head struct {
	name string // canonical
	key  string
}

// layout is a network as the state dict's keys spell it.
type layout struct {
	family       string // "official" or "timm"
	stem1, stem2 string
	blocks       []block
	heads        []head
}

// scopes are the first components of keys that belong to the network.
var scopes = map[string][]string{
	"official": {"features", "classifier"},
	"timm":     {"stem", "stages", "head"},
}

// keySet answers which prefixes a state dict has.
type keySet struct {
	prefixes map[string]bool
	last     map[string]int // largest index n for which prefix.n exists
}

// maxParts bounds the parts of a key that are looked at; no key of a network has as many.
const maxParts = 10

func newKeySet(keys []string) keySet {
	s := keySet{make(map[string]bool, len(keys)), map[string]int{}}
	for _, k := range keys {
		parts, from := 0, 0
		for i := range len(k) {
			if k[i] != '.' {
				continue
			}
			if parts++; parts > maxParts {
				break
			}
			if p := k[:i]; !s.prefixes[p] {
				s.prefixes[p] = true
				// Indexes with more digits than any network has blocks are not counted: they
				// are reported as unexpected keys.
				if n, ok := index(k[from:i]); ok && from > 0 {
					s.last[k[:from-1]] = max(n, s.last[k[:from-1]])
				}
			}
			from = i + 1
		}
	}
	return s
}

// index returns a number of up to four digits.
func index(s string) (n int, ok bool) {
	if len(s) == 0 || len(s) > 4 || s[0] < '0' || s[0] > '9' {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil
}

// count returns the number of indexes n for which prefix.n exists, which must run from 0
// without a hole up to the largest; the first hole counts, and fails when its keys are
// looked up.
func (s keySet) count(prefix string) int {
	n := 0
	for s.prefixes[prefix+"."+strconv.Itoa(n)] {
		n++
	}
	if last, ok := s.last[prefix]; ok && last >= n {
		n++
	}
	return n
}

// has returns prefix where the state dict has keys under it, else "".
func (s keySet) has(prefix string) string {
	if s.prefixes[prefix] {
		return prefix
	}
	return ""
}

// detect reads the layout off the keys.
func detect(keys []string) (*layout, error) {
	s := newKeySet(keys)
	switch {
	case s.prefixes["features.0.0"] || s.prefixes["features.1.token_mixer"] || s.prefixes["features.1.channel_mixer"]:
		return official(s)
	case s.prefixes["stages.0.blocks.0.token_mixer"] || s.prefixes["stages.0.blocks.0.channel_mixer"] || s.prefixes["stem.conv1"] && s.prefixes["stages.0"]:
		return timm(s)
	}
	first := "none"
	if len(keys) > 0 {
		first = fmt.Sprintf("%.80q", keys[0])
	}
	return nil, fmt.Errorf("%w: %d keys, the first is %s; expected features.0.0… (THU-MIG) or stem.conv1… (timm)", ErrNotRepViT, len(keys), first)
}

func official(s keySet) (*layout, error) {
	l := &layout{family: "official", stem1: "features.0.0", stem2: "features.0.2"}
	n := s.count("features")
	if n < 2 {
		return nil, fmt.Errorf("%w: it has a stem but no blocks", ErrNotRepViT)
	}
	for i := 1; i < n; i++ {
		p := fmt.Sprintf("features.%d", i)
		l.blocks = append(l.blocks, block{
			name:      p,
			token:     p + ".token_mixer.0",
			se:        s.has(p + ".token_mixer.1"),
			pointwise: s.has(p + ".token_mixer.2"),
			mix1:      p + ".channel_mixer.m.0",
			mix2:      p + ".channel_mixer.m.2",
		})
	}
	l.heads = heads(s, "classifier", "classifier.classifier", "classifier.classifier_dist")
	return l, nil
}

func timm(s keySet) (*layout, error) {
	l := &layout{family: "timm", stem1: "stem.conv1", stem2: "stem.conv2"}
	add := func(key string) {
		l.blocks = append(l.blocks, block{
			name:  fmt.Sprintf("features.%d", len(l.blocks)+1),
			token: key + ".token_mixer",
			se:    s.has(key + ".se"),
			mix1:  key + ".channel_mixer.conv1",
			mix2:  key + ".channel_mixer.conv2",
		})
	}
	stages := s.count("stages")
	for i := range stages {
		stage := fmt.Sprintf("stages.%d", i)
		if i > 0 {
			// The official code counts pre_block as the last block of the stage before.
			down := stage + ".downsample"
			add(down + ".pre_block")
			l.blocks = append(l.blocks, block{
				name:      fmt.Sprintf("features.%d", len(l.blocks)+1),
				token:     down + ".spatial_downsample",
				pointwise: down + ".channel_downsample",
				mix1:      down + ".ffn.conv1",
				mix2:      down + ".ffn.conv2",
			})
		}
		for b := range s.count(stage + ".blocks") {
			add(fmt.Sprintf("%s.blocks.%d", stage, b))
		}
	}
	if len(l.blocks) == 0 {
		return nil, fmt.Errorf("%w: it has a stem but no blocks", ErrNotRepViT)
	}
	l.heads = heads(s, "head", "head.head", "head.head_dist")
	return l, nil
}

// heads lists the classifiers: one fused Linear, or one or two of BatchNorm and Linear.
func heads(s keySet, fused, first, second string) []head {
	if !s.prefixes[first] && !s.prefixes[second] {
		if !s.prefixes[fused] {
			return nil
		}
		return []head{{"classifier", fused}}
	}
	hs := []head{{"classifier", first}}
	if s.prefixes[second] {
		hs = append(hs, head{"classifier_dist", second})
	}
	return hs
}
