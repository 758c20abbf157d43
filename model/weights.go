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

// locate finds the network in a state dict: where it was found before, at the top, or where
// there is but one.
func locate(sd *pytorch.StateDict, families []Family) (weights, error) {
	if sd.Within != "" {
		return weights{sd, sd.Within}, nil
	}
	prefixes := Networks(sd, families)
	for _, p := range prefixes {
		if p == "" || len(prefixes) == 1 {
			return weights{sd, p}, nil
		}
	}
	if len(prefixes) == 0 {
		return weights{sd, ""}, nil // detect says what it misses
	}
	return weights{}, fmt.Errorf("%w: %d networks in one, under %.80q and %.80q, expected one", ErrFamily, len(prefixes), prefixes[0], prefixes[1])
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
	if all, ok := errors.AsType[*KeysError](err); ok {
		for _, e := range all.Keys {
			e.Key = w.sd.Spelled(w.spelled(e.Key))
		}
	} else if e, ok := errors.AsType[*KeyError](err); ok {
		e.Key = w.sd.Spelled(w.spelled(e.Key))
	}
	if e, ok := errors.AsType[*ValueError](err); ok {
		e.Key = w.sd.Spelled(w.spelled(e.Key))
	}
	return err
}
