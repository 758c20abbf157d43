package infer

import (
	"cmp"
	"slices"

	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// place gives every part of the arena its offset, so that parts that are in use at the
// same time do not overlap: largest first, each at the lowest offset that is free. (The
// greedy-by-size heuristic of "Efficient Memory Management for Deep Neural Net Inference",
// arXiv 2001.03288.) Each part looks at all placed before it, so where there are very many
// the smallest are put behind the others without looking.
func (p *planner) place() {
	order := slices.Clone(p.stores)
	slices.SortStableFunc(order, func(a, b *storage) int {
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.first, b.first))
	})
	var placed []*storage // by offset
	for looks := 0; len(placed) < len(order); looks += len(placed) {
		s := order[len(placed)]
		s.size = kernel.Pad(s.size, kernel.Lanes)
		p.naive += s.size
		if looks > maxLooks {
			s.offset = p.arena
		} else {
			s.offset = lowest(placed, s)
		}
		p.arena = max(p.arena, s.offset+s.size)
		i, _ := slices.BinarySearchFunc(placed, s.offset, func(o *storage, at int) int { return cmp.Compare(o.offset, at) })
		placed = slices.Insert(placed, i, s)
	}
	p.plan.values = len(p.stores)
	p.spend(p.arena)
}

// maxLooks is how often parts are compared with others: a tenth of a second, and more than
// ten thousand parts need.
const maxLooks = 1 << 26

// lowest returns the lowest offset at which s does not overlap a part that is in use at the
// same time.
func lowest(placed []*storage, s *storage) int {
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
	return at
}
