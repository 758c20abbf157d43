package model

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/pytorch"
)

// Family is a kind of network that checkpoints hold. The packages below this one have one
// each; they know key names and nothing else.
type Family struct {
	Name string // of the published networks, "RepViT"
	// Networks returns the prefixes of keys below which a state dict holds networks of the
	// family.
	Networks func(*pytorch.StateDict) []string
	// Detect reads a network off the keys below its prefix; nil where it is of another family.
	// The error wraps ErrFamily.
	Detect func(*Keys) (*Network, error)
}

// Network is a network as the keys of a state dict spell it.
type Network struct {
	Family string
	Naming string   // whose names the keys are: "official", "timm"
	Scopes []string // first parts of the keys of the network without its heads
	Input  []string // keys of the convolution that takes the image, whichever is there

	HeadScope    string   // first part of the keys of its heads
	Tail         []string // first parts of further keys behind the blocks
	Head1, Head2 string   // one head, or two whose mean is the output

	CropPct float64 // of the published network's evaluation
	Epsilon float64 // of its BatchNorms; 0 for PyTorch's 1e-5
	// TapBefore: timm's feature maps are those of the block before the last of every stage.
	TapBefore bool
	// Detector: the taps of detectors are timm's.
	Detector bool

	// Structures are the last parts of the names of classes whose code is that of the
	// published network.
	Structures []string
	// Build adds the network without its heads to b.Graph, sets b.Info.Stages, and returns the
	// outputs of stem and blocks and the channels of the last one.
	Build func(b *Builder, input *graph.Value) (blocks []*graph.Value, channels int, err error)
	// Pool makes the last block's output N×C, as the embedding and for the head; nil for the
	// mean of every channel.
	Pool func(b *Builder, x *graph.Value, channels int) (y *graph.Value, features int, err error)
	// HeadKeys are the modules of the network's own head where that is not one Linear; where all
	// are there, Head adds it on such a value.
	HeadKeys []string
	Head     func(b *Builder, y *graph.Value, features int) (logits *graph.Value, err error)
	// Variant names the published network, or says that there is none.
	Variant func(*Info) string
	// Whole, where it is not nil, builds inputs, network and outputs in place of all that: of a part of
	// a network that has no backbone.
	Whole func(b *Builder) error
}

// inside reports whether the keys that begin with a part belong to the network.
func (n *Network) inside(scope string) bool {
	return slices.Contains(n.Scopes, scope) || n.isHead(scope)
}

// isHead reports whether they belong to its heads.
func (n *Network) isHead(scope string) bool {
	return scope == n.HeadScope || slices.Contains(n.Tail, scope)
}

// Networks returns the prefixes of keys below which a state dict holds networks of the
// families, those of the first family first.
func Networks(sd *pytorch.StateDict, families []Family) []string {
	var found []string
	for _, f := range families {
		for _, p := range f.Networks(sd) {
			if !slices.Contains(found, p) && len(found) < maxNetworks {
				found = append(found, p)
			}
		}
	}
	return found
}

// PrefixesOf returns what stands before any of the keys given, in order: a Family's Networks
// for networks that one key tells.
func PrefixesOf(sd *pytorch.StateDict, keys ...string) []string {
	var found []string
	for _, k := range sd.Keys() {
		for _, key := range keys {
			if p, ok := strings.CutSuffix(k, key); ok && (p == "" || strings.HasSuffix(p, ".")) && !slices.Contains(found, p) && len(found) < maxNetworks {
				found = append(found, p)
			}
		}
	}
	return found
}

// maxNetworks bounds the networks that are looked at in one state dict.
const maxNetworks = 64

// detect finds the family.
func detect(keys []string, shape func(key string) []int, families []Family) (*Network, error) {
	k := NewKeys(keys)
	k.shape = shape
	for _, f := range families {
		if n, err := f.Detect(k); n != nil || err != nil {
			return n, err
		}
	}
	first := "none"
	if len(keys) > 0 {
		first = fmt.Sprintf("%.80q", keys[0])
	}
	return nil, fmt.Errorf("%w: %d keys, the first is %s; expected features.0.0… (THU-MIG) or stem.conv1… (timm) of RepViT, or another family's", ErrFamily, len(keys), first)
}

// Keys answers which keys and prefixes a state dict has.
type Keys struct {
	keys     map[string]bool
	prefixes map[string]bool
	last     map[string]int // largest index n for which prefix.n exists
	shape    func(key string) []int
}

// Shape returns a tensor's shape; nil where there is none.
func (s *Keys) Shape(key string) []int {
	if s.shape == nil {
		return nil
	}
	return s.shape(key)
}

// maxParts bounds the parts of a key that are looked at; no key of a network has as many.
const maxParts = 10

// NewKeys indexes keys.
func NewKeys(keys []string) *Keys {
	s := &Keys{keys: make(map[string]bool, len(keys)), prefixes: make(map[string]bool, len(keys)), last: map[string]int{}}
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

// Count returns the number of indexes n for which prefix.n exists, which must run from 0
// without a hole up to the largest; the first hole counts, and fails when its keys are
// looked up.
func (s *Keys) Count(prefix string) int {
	n := 0
	for s.prefixes[prefix+"."+strconv.Itoa(n)] {
		n++
	}
	if last, ok := s.last[prefix]; ok && last >= n {
		n++
	}
	return n
}

// Below reports whether there are keys below a prefix, which ends before a dot.
func (s *Keys) Below(prefix string) bool { return s.prefixes[prefix] }

// Has reports whether there is a key.
func (s *Keys) Has(key string) bool { return s.keys[key] }

// HasWeight reports whether the module at a key has a weight of its own.
func (s *Keys) HasWeight(module string) bool {
	return s.keys[module+".weight"] || s.keys[module+".weight_orig"]
}
