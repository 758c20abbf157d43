//go:build unix

package kernel

import (
	"math/rand/v2"
	"os"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// guarded returns n elements of memory between two pages that fault when touched, next to
// one or the other of them but for a few elements, so that all alignments occur.
func guarded[T any](t testing.TB, r *rand.Rand, n int) []T {
	t.Helper()
	var one T
	size, page := int(unsafe.Sizeof(one)), os.Getpagesize()
	shift := r.IntN(4) * r.IntN(17)
	inner := (max(n+shift, 1)*size + page - 1) / page * page
	mem, err := unix.Mmap(-1, 0, inner+2*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { unix.Munmap(mem) })
	for _, guard := range [][]byte{mem[:page], mem[page+inner:]} {
		if err := unix.Mprotect(guard, unix.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	elements := unsafe.Slice((*T)(unsafe.Pointer(&mem[page])), inner/size)
	from := shift
	if r.IntN(2) == 0 {
		from = len(elements) - shift - n
	}
	return elements[from : from+n : from+n]
}
