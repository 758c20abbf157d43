package model

import (
	"fmt"
	"slices"
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
	mixAct     string // and what stands between them
	stride     [2]int // of a strided block
}

func (b block) strided() bool { return b.pointwise != "" }

// layout is a network as the state dict's keys spell it.
type layout struct {
	family       string   // "official" or "timm"
	scopes       []string // first parts of the keys of the network without its heads
	stem1, stem2 string
	stemAct      string
	blocks       []block
	strides      [][2]int // of the stem's two convolutions and of the strided blocks
	headScope    string
	head1, head2 string // the heads below it
}

// inside reports whether the keys that begin with a part belong to the network.
func (l *layout) inside(scope string) bool {
	return slices.Contains(l.scopes, scope) || l.isHead(scope)
}

// isHead reports whether they belong to its heads.
func (l *layout) isHead(scope string) bool { return scope == l.headScope }

// keySet answers which prefixes a state dict has.
type keySet struct {
	keys     map[string]bool
	prefixes map[string]bool
	last     map[string]int // largest index n for which prefix.n exists
}

// maxParts bounds the parts of a key that are looked at; no key of a network has as many.
const maxParts = 10

func newKeySet(keys []string) keySet {
	s := keySet{make(map[string]bool, len(keys)), make(map[string]bool, len(keys)), map[string]int{}}
	for _, k := range keys {
		s.keys[k] = true
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

// se returns prefix where squeeze-and-excitation has weights under it, else "".
func (s keySet) se(prefix string) string {
	if s.prefixes[prefix+".fc1"] || s.prefixes[prefix+".fc2"] {
		return prefix
	}
	return ""
}

// conv returns prefix where a convolution has weights under it, fused or not, else "".
func (s keySet) conv(prefix string) string {
	if s.prefixes[prefix+".c"] || s.prefixes[prefix+".bn"] || s.keys[prefix+".weight"] || s.keys[prefix+".weight_orig"] {
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
	case s.prefixes["stages.0.blocks.0.token_mixer"] || s.prefixes["stages.0.blocks.0.channel_mixer"] || s.prefixes["stem.conv1"] && (s.prefixes["stages.0"] || s.prefixes["stages_0"]):
		return timm(s)
	}
	first := "none"
	if len(keys) > 0 {
		first = fmt.Sprintf("%.80q", keys[0])
	}
	return nil, fmt.Errorf("%w: %d keys, the first is %s; expected features.0.0… (THU-MIG) or stem.conv1… (timm)", ErrNotRepViT, len(keys), first)
}

func official(s keySet) (*layout, error) {
	l := &layout{family: "official", scopes: []string{"features"}, stem1: "features.0.0", stem2: "features.0.2", stemAct: "features.0.1",
		headScope: "classifier", head1: "classifier.classifier", head2: "classifier.classifier_dist"}
	n := s.count("features")
	if n < 2 {
		return nil, fmt.Errorf("%w: it has a stem but no blocks", ErrNotRepViT)
	}
	for i := 1; i < n; i++ {
		p := fmt.Sprintf("features.%d", i)
		l.blocks = append(l.blocks, block{
			name:      p,
			token:     p + ".token_mixer.0",
			se:        s.se(p + ".token_mixer.1"),
			pointwise: s.conv(p + ".token_mixer.2"),
			mix1:      p + ".channel_mixer.m.0",
			mixAct:    p + ".channel_mixer.m.1",
			mix2:      p + ".channel_mixer.m.2",
		})
	}
	return l, nil
}

func timm(s keySet) (*layout, error) {
	l := &layout{family: "timm", scopes: []string{"stem", "stages"}, stem1: "stem.conv1", stem2: "stem.conv2", stemAct: "stem.act1",
		headScope: "head", head1: "head.head", head2: "head.head_dist"}
	add := func(key string) {
		l.blocks = append(l.blocks, block{
			name:   fmt.Sprintf("features.%d", len(l.blocks)+1),
			token:  key + ".token_mixer",
			se:     s.se(key + ".se"),
			mix1:   key + ".channel_mixer.conv1",
			mixAct: key + ".channel_mixer.act",
			mix2:   key + ".channel_mixer.conv2",
		})
	}
	// Networks made with features_only have their stages as attributes: stages_0.
	stages, spelling := s.count("stages"), "stages.%d"
	if s.prefixes["stages_0"] {
		for stages, spelling = 0, "stages_%d"; s.prefixes[fmt.Sprintf(spelling, stages)]; stages++ {
			l.scopes = append(l.scopes, fmt.Sprintf(spelling, stages))
		}
	}
	for i := range stages {
		stage := fmt.Sprintf(spelling, i)
		if i > 0 {
			// The official code counts pre_block as the last block of the stage before.
			down := stage + ".downsample"
			add(down + ".pre_block")
			l.blocks = append(l.blocks, block{
				name:      fmt.Sprintf("features.%d", len(l.blocks)+1),
				token:     down + ".spatial_downsample",
				pointwise: down + ".channel_downsample",
				mix1:      down + ".ffn.conv1",
				mixAct:    down + ".ffn.act",
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
	return l, nil
}
