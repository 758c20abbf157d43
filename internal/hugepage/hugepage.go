// Package hugepage allocates large slices on huge pages where the system offers them.
//
// Memory is handed to a process when it first touches a page. For tens of megabytes of
// weights that is thousands of page faults, which cost more than computing the weights;
// with pages of 2 MiB it is ten.
package hugepage

import "unsafe"

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
	populate(uintptr(unsafe.Pointer(unsafe.SliceData(b))), uintptr(size))
	return b
}
