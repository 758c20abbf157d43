package mmap

import "golang.org/x/sys/unix"

// most is the size up to which a whole file is mapped in at once.
const most = 256 << 20

// prefetch prepares data for being read from front to back. Mapping all pages in one call
// spares a page fault for every sixteenth of them; kernels before 5.14 only read ahead.
func prefetch(data []byte) {
	if len(data) > most || unix.Madvise(data, unix.MADV_POPULATE_READ) != nil {
		_ = unix.Madvise(data, unix.MADV_WILLNEED)
	}
}
