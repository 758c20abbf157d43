package model

import (
	"errors"
	"fmt"
	"strings"
)

// Errors that Build wraps.
var (
	ErrFamily = errors.New("not the state dict of a network that is known")
	ErrKey    = errors.New("state dict does not fit the network")
	ErrValue  = errors.New("unusable weight")
	// ErrModule: a whole module says that the network computes something else. See ModuleError.
	ErrModule = errors.New("module does not fit the network")
	// ErrHead: it can't be told which head the logits come from, or it can't be built.
	ErrHead = errors.New("unclear head")
	// ErrStrides: strides are needed that nothing says, or those given do not fit.
	ErrStrides = errors.New("unclear strides")
	// ErrConfig: the configuration in the checkpoint says what is not supported.
	ErrConfig = errors.New("unsupported configuration")
	// ErrOptions: the options ask for what the network has not.
	ErrOptions = errors.New("unusable options")
	// ErrEncoder: the image encoder of a promptable segmenter is of another kind; its decoder can be built.
	ErrEncoder = errors.New("foreign image encoder")
	// ErrLabels: the options name other classes than the network has.
	ErrLabels = errors.New("unusable labels")
	// ErrTaps: the network has not the blocks whose outputs are asked for.
	ErrTaps = errors.New("unusable taps")
)

// KeyError says which key of a state dict is missing, misshaped or unexpected. It wraps
// [ErrKey].
type KeyError struct {
	Key   string
	Found []int  // shape in the file, nil where the key is missing
	Want  string // shape expected, or what the network has instead of the key
	Hint  string // why it may be so and what to do; empty where nothing is known
	// Unexpected says that the network has no such key.
	Unexpected bool
}

// Error names the key, the shape found and the shape expected.
func (e *KeyError) Error() string {
	text := fmt.Sprintf("key %q: missing, expected shape %s", e.Key, e.Want)
	if e.Found != nil {
		text = fmt.Sprintf("key %q: found shape %s, expected %s", e.Key, shapeText(e.Found), e.Want)
	}
	if e.Hint != "" {
		text += "; " + e.Hint
	}
	return text
}

// Unwrap returns ErrKey.
func (e *KeyError) Unwrap() error { return ErrKey }

// KeysError is several keys of a state dict that do not fit, those of the network in its order before
// the unexpected ones. It wraps them all.
type KeysError struct{ Keys []*KeyError }

// shownKeys is how many keys of a kind are named.
const shownKeys = 6

// Error is that of the first key, and lists the others as PyTorch does, some of each kind.
func (e *KeysError) Error() string {
	var kinds []string
	for _, k := range []struct {
		what string
		is   func(*KeyError) bool
	}{
		{"missing", func(k *KeyError) bool { return k.Found == nil }},
		{"of another shape", func(k *KeyError) bool { return k.Found != nil && !k.Unexpected }},
		{"unexpected", func(k *KeyError) bool { return k.Unexpected }},
	} {
		var names []string
		n := 0
		for _, key := range e.Keys {
			if !k.is(key) {
				continue
			}
			if n++; n <= shownKeys {
				names = append(names, fmt.Sprintf("%.80q", key.Key))
			}
		}
		if n == 0 {
			continue
		}
		text := fmt.Sprintf("%d %s: %s", n, k.what, strings.Join(names, ", "))
		if n > shownKeys {
			text += fmt.Sprintf(" and %d more", n-shownKeys)
		}
		kinds = append(kinds, text)
	}
	return e.Keys[0].Error() + "; of all keys " + strings.Join(kinds, "; ")
}

// Unwrap returns the errors of all keys.
func (e *KeysError) Unwrap() []error {
	all := make([]error, len(e.Keys))
	for i, k := range e.Keys {
		all[i] = k
	}
	return all
}

// ModuleError says which module of a pickled network is or has something else than this
// package can build. It wraps [ErrModule].
type ModuleError struct {
	Module    string // path of names, "features.3.token_mixer.0"
	Attribute string // "class" for what it is
	Found     string
	Want      string
}

// Error names the module, the attribute, what was found and what was expected.
func (e *ModuleError) Error() string {
	return fmt.Sprintf("module %q: found %s %s, expected %s", e.Module, e.Attribute, e.Found, e.Want)
}

// Unwrap returns ErrModule.
func (e *ModuleError) Unwrap() error { return ErrModule }

// ValueError names a tensor whose elements no network can be computed with. It wraps
// [ErrValue].
type ValueError struct {
	Key   string
	Index int
	Value float64
	Want  string
}

// Error names the tensor, the element and its value.
func (e *ValueError) Error() string {
	return fmt.Sprintf("key %q: element %d is %v, expected %s", e.Key, e.Index, e.Value, e.Want)
}

// Unwrap returns ErrValue.
func (e *ValueError) Unwrap() error { return ErrValue }

func shapeText(s []int) string {
	t := make([]string, len(s))
	for i, d := range s {
		if t[i] = fmt.Sprint(d); d < 0 {
			t[i] = "any"
		}
	}
	return "[" + strings.Join(t, " ") + "]"
}
