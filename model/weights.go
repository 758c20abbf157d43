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

// stems are how a network's first keys begin, in either naming.
var stems = []string{"features.0.0.", "stem.conv1."}

// locate finds the network in a state dict. Detectors and segmenters are saved with the
// network as a part of them, which all keys say in front ("backbone.features.0.0.c.weight").
func locate(sd *pytorch.StateDict) (weights, error) {
	var prefixes []string
	for _, k := range sd.Keys() {
		for _, stem := range stems {
			if strings.HasPrefix(k, stem) {
				return weights{sd, ""}, nil
			}
			if i := strings.Index(k, "."+stem); i >= 0 && (len(prefixes) == 0 || prefixes[len(prefixes)-1] != k[:i+1]) {
				prefixes = append(prefixes, k[:i+1])
			}
		}
	}
	switch len(prefixes) {
	case 0:
		return weights{sd, ""}, nil // detect says what it misses
	case 1:
		return weights{sd, prefixes[0]}, nil
	}
	return weights{}, fmt.Errorf("%w: %d networks in one, under %.80q and %.80q, expected one", ErrNotRepViT, len(prefixes), prefixes[0], prefixes[1])
}

// get returns the tensor under a key of the network.
func (w weights) get(key string) (*pytorch.Tensor, bool) { return w.sd.Get(w.prefix + key) }

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
		e.Key = w.prefix + e.Key
	}
	if e, ok := errors.AsType[*ValueError](err); ok {
		e.Key = w.prefix + e.Key
	}
	return err
}
