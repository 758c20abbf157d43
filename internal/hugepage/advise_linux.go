package hugepage

import "golang.org/x/sys/unix"

// hugePage is the size of a huge page on all systems with pages of 4 KiB.
const hugePage = 2 << 20

// advise asks for huge pages around [start, start+size). Go's heap grows in aligned chunks
// of 4 MiB, so the whole huge pages around a slice are heap as well; a kernel that
// doesn't give huge pages refuses, which is no error.
func advise(start, size uintptr) {
	from := start &^ (hugePage - 1)
	to := (start + size + hugePage - 1) &^ (hugePage - 1)
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, to-from, unix.MADV_HUGEPAGE)
}

// populate makes the pages in [start, start+size) present. Kernels before 5.14 can't.
func populate(start, size uintptr) {
	const page = 4 << 10
	from := start &^ (page - 1)
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, from, start+size-from, unix.MADV_POPULATE_WRITE)
}
