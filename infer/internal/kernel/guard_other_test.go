//go:build !unix

package kernel

import (
	"math/rand/v2"
	"testing"
)

// guarded returns n elements of memory; there are no guard pages on this system.
func guarded[T any](_ testing.TB, _ *rand.Rand, n int) []T { return make([]T, n) }
