package coreml

import (
	"maps"
	"slices"
)

// Written are the operators that are written.
func Written() []string { return slices.Sorted(maps.Keys(writers)) }
