package model

import (
	"errors"
	"fmt"
	"strings"

	"github.com/repvit-go/repvit/pytorch"
)

// weights is the part of a state dict that holds the network: its keys without a prefix.
type weights struct {
	sd     *pytorch.StateDict
	prefix string
}

// absolute begins keys that are not below the network's prefix.
const absolute = "/"

// stems are how a network's first keys begin, in either naming.
var stems = []string{"features.0.0.", "stem.conv1."}

// maxNetworks bounds the networks that are looked at in one state dict.
const maxNetworks = 64

// Networks returns the prefixes of keys below which a state dict holds RepViTs. Detectors and
// segmenters are saved with the network as a part of them, which all keys say in front
// ("backbone.features.0.0.c.weight").
func Networks(sd *pytorch.StateDict) []string {
	// Other networks have such a stem as well, but no token mixers.
	mixers := map[string]bool{}
	for _, k := range sd.Keys() {
		if i := strings.Index(k, "token_mixer"); i >= 0 {
			for _, list := range []string{"features.", "stages"} {
				if j := strings.LastIndex(k[:i], list); j == 0 || j > 0 && k[j-1] == '.' {
					mixers[k[:j]] = true
				}
			}
		}
	}
	var found []string
	for _, p := range stemPrefixes(sd) {
		if mixers[p] {
			found = append(found, p)
		}
	}
	return found
}

// stemPrefixes returns what stands before the stems, in order.
func stemPrefixes(sd *pytorch.StateDict) []string {
	var prefixes []string
	seen := map[string]bool{}
	for _, k := range sd.Keys() {
		for _, stem := range stems {
			i := strings.LastIndex(k, stem)
			if i < 0 || i > 0 && k[i-1] != '.' || seen[k[:i]] || len(prefixes) == maxNetworks {
				continue
			}
			seen[k[:i]] = true
			prefixes = append(prefixes, k[:i])
		}
	}
	return prefixes
}

// locate finds the network in a state dict: where it was found before, at the top, or where
// there is but one.
func locate(sd *pytorch.StateDict) (weights, error) {
	if sd.Within != "" {
		return weights{sd, sd.Within}, nil
	}
	prefixes := Networks(sd)
	if len(prefixes) == 0 {
		prefixes = stemPrefixes(sd)
	}
	for _, p := range prefixes {
		if p == "" || len(prefixes) == 1 {
			return weights{sd, p}, nil
		}
	}
	if len(prefixes) == 0 {
		return weights{sd, ""}, nil // detect says what it misses
	}
	return weights{}, fmt.Errorf("%w: %d networks in one, under %.80q and %.80q, expected one", ErrNotRepViT, len(prefixes), prefixes[0], prefixes[1])
}

// spelled returns a key of the network as the state dict has it.
func (w weights) spelled(key string) string {
	if k, ok := strings.CutPrefix(key, absolute); ok {
		return k
	}
	if key == "" {
		return strings.TrimSuffix(w.prefix, ".")
	}
	return w.prefix + key
}

// get returns the tensor under a key of the network.
func (w weights) get(key string) (*pytorch.Tensor, bool) { return w.sd.Get(w.spelled(key)) }

// hasWeight reports whether the module at a key has a weight of its own.
func (w weights) hasWeight(module string) bool {
	_, plain := w.get(module + ".weight")
	_, pruned := w.get(module + ".weight_orig")
	return plain || pruned
}

// keys returns the keys of the network, without the prefix.
func (w weights) keys() []string {
	if w.prefix == "" {
		return w.sd.Keys()
	}
	var keys []string
	for _, k := range w.sd.Keys() {
		if rest, ok := strings.CutPrefix(k, w.prefix); ok {
			keys = append(keys, rest)
		}
	}
	return keys
}

// inFile makes an error name a key as the file spells it.
func (w weights) inFile(err error) error {
	if e, ok := errors.AsType[*KeyError](err); ok {
		e.Key = w.sd.Spelled(w.spelled(e.Key))
	}
	if e, ok := errors.AsType[*ValueError](err); ok {
		e.Key = w.sd.Spelled(w.spelled(e.Key))
	}
	return err
}
