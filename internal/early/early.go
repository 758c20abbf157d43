// Package early makes the memory present that a command fills while it starts: about a
// megabyte, which the packages that it consists of allocate when they are initialised. It
// is imported for this effect, by main packages. Because it depends on next to nothing it
// is initialised before most others.
package early

import "github.com/repvit-go/repvit/internal/hugepage"

func init() { hugepage.Heap(1 << 20) }
