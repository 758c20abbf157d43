package hugepage

// Package syscall instead of golang.org/x/sys/unix lets package early be initialised before
// that one.
import "syscall"

const (
	// hugePage is the size of a huge page on all systems with pages of 4 KiB.
	hugePage = 2 << 20
	page     = 4 << 10

	// madvPopulateWrite is MADV_POPULATE_WRITE of Linux 5.14 on all architectures but
	// Alpha, PA-RISC and Xtensa, which Go does not have.
	madvPopulateWrite = 23
)

// advise asks for huge pages around [start, start+size). Go's heap grows in aligned chunks
// of 4 MiB, so the whole huge pages around a slice are heap as well; a kernel that
// doesn't give huge pages refuses, which is no error.
func advise(start, size uintptr) {
	from := start &^ (hugePage - 1)
	to := (start + size + hugePage - 1) &^ (hugePage - 1)
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, to-from, syscall.MADV_HUGEPAGE)
}

// populate makes the pages in [start, start+size) present. Kernels before 5.14 can't.
func populate(start, size uintptr) {
	from := start &^ (page - 1)
	_, _, _ = syscall.Syscall(syscall.SYS_MADVISE, from, start+size-from, madvPopulateWrite)
}
