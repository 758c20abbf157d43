// Package hugepage spares page faults: it allocates large slices on huge pages and makes
// smaller memory present in one call, where the system offers that.
//
// Memory is handed to a process when it first touches a page. For tens of megabytes of
// weights that is thousands of page faults, which cost more than computing the weights;
// with pages of 2 MiB it is ten.
package hugepage

import (
	"runtime"
	"sync/atomic"
	"unsafe"
)

// least is how many bytes are worth a system call.
const least = 64 << 10

// Make returns a zeroed slice of n elements, like make.
func Make[T any](n int) []T {
	s := make([]T, n)
	var zero T
	if size := uintptr(n) * unsafe.Sizeof(zero); size >= least {
		advise(uintptr(unsafe.Pointer(unsafe.SliceData(s))), size)
	}
	return s
}

// Ready returns a slice of size bytes whose pages are there already, where the system can
// do that in one call. It is for buffers of less than a huge page that are used over and
// over.
func Ready(size int) []byte {
	b := make([]byte, size)
	populate(address(b), uintptr(size))
	return b
}

// heapChunk is what Go's heap grows by at least, and to multiples of.
const heapChunk = 4 << 20

// Heap makes the size bytes present that the heap hands out next, 4 MiB at most. Work that
// is known to allocate megabytes of small objects then need not fault for each page.
func Heap(size int) {
	for range 16 {
		next := probe()
		rest := heapChunk - next%heapChunk
		if rest >= heapChunk/4 {
			populate(next, min(rest, uintptr(size)))
			return
		}
		// Leave it and go on to the next chunk. What nobody touches takes no memory.
		runtime.KeepAlive(make([]byte, rest-probeSize))
	}
}

// probeSize is that of an object that has pages of its own: the first that are free.
const probeSize = 64 << 10

// probe returns where the heap allocates next.
//
//go:noinline
func probe() uintptr {
	b := new([probeSize]byte)
	probed.Store(b) // or it would be on the stack
	probed.Store(nil)
	return uintptr(unsafe.Pointer(b))
}

var probed atomic.Pointer[[probeSize]byte]

func address(b []byte) uintptr { return uintptr(unsafe.Pointer(unsafe.SliceData(b))) }
