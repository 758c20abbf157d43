package infer

import (
	"slices"
	"testing"
)

// TestTrim: the last shape keeps its arenas, those before it share a bound, the latest first.
func TestTrim(t *testing.T) {
	const mib = 1 << 20 / 4 // elements
	shape := func(arena, idle int) *cached {
		c := &cached{plan: &plan{arena: arena}}
		for range idle {
			c.idle = append(c.idle, &exec{})
		}
		return c
	}
	for _, c := range []struct {
		name  string
		plans []*cached
		want  []int
	}{
		{"none", nil, nil},
		{"one", []*cached{shape(100*mib, 4)}, []int{4}},
		{"small ones", []*cached{shape(mib, 5), shape(2*mib, 4), shape(mib, 3)}, []int{5, 4, 3}},
		{"large ones", []*cached{shape(10*mib, 4), shape(30*mib, 1), shape(10*mib, 2), shape(500*mib, 2)}, []int{1, 1, 2, 2}},
		{"too large", []*cached{shape(100*mib, 4), shape(mib, 1)}, []int{0, 1}},
		{"nothing inside", []*cached{shape(0, 3), shape(64*mib, 3), shape(0, 3)}, []int{0, 1, 3}},
	} {
		s := &Session{plans: c.plans}
		s.trim()
		var got []int
		for _, p := range s.plans {
			got = append(got, len(p.idle))
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %v arenas are kept, want %v", c.name, got, c.want)
		}
	}
}
