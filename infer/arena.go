package infer

import (
	"cmp"
	"fmt"
	"slices"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// place gives every part of the arena its offset, so that parts that are in use at the
// same time do not overlap: largest first, each at the lowest offset that is free. (The
// greedy-by-size heuristic of "Efficient Memory Management for Deep Neural Net Inference",
// arXiv 2001.03288.)
func (p *planner) place() error {
	order := slices.Clone(p.stores)
	slices.SortStableFunc(order, func(a, b *storage) int {
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.first, b.first))
	})
	var placed []*storage // by offset
	for _, s := range order {
		s.size = kernel.Pad(s.size, kernel.Lanes)
		p.naive += s.size
		at := 0
		for _, o := range placed {
			if o.first > s.last || s.first > o.last {
				continue
			}
			if o.offset-at >= s.size {
				break
			}
			at = max(at, o.offset+o.size)
		}
		s.offset = at
		p.arena = max(p.arena, at+s.size)
		if p.naive > maxArena {
			return fmt.Errorf("%w: an input of %v needs more than %d bytes of memory", graph.ErrShape, p.input, 4*maxArena)
		}
		i, _ := slices.BinarySearchFunc(placed, at, func(o *storage, at int) int { return cmp.Compare(o.offset, at) })
		placed = slices.Insert(placed, i, s)
	}
	p.plan.values = len(p.stores)
	return nil
}

// maxArena bounds the arena, in elements: 256 GiB, more than an input of which all values
// can be indexed needs.
const maxArena = 1 << 36
