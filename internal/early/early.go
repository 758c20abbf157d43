// Package early prepares what a command uses up while it starts, before the packages that
// it consists of are initialised: the megabyte of heap that they fill is made present in
// one call instead of by 250 page faults, and the stack gets its later size at once instead
// of being copied at every doubling. It is imported for these effects, by main packages.
// Because it depends on next to nothing it is initialised before most others.
package early

import (
	"runtime"

	"github.com/repvit-go/repvit/internal/hugepage"
)

func init() {
	runtime.MemProfileRate = 0 // sampling is for programs that show the profile
	hugepage.Heap(1 << 20)
	growStack()
}

// stackSize is what a command's main goroutine comes to, in bytes.
const stackSize = 32 << 10

// growStack needs that much stack.
//
//go:noinline
func growStack() byte {
	var room [stackSize]byte
	return room[zero]
}

var zero int // a constant index would need no stack
