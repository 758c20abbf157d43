package mmap

import (
	"runtime"
	"slices"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// most is the size up to which a whole file is mapped in at once.
const most = 256 << 20

// stretch is how much is mapped in between two looks whether that is still wanted.
const stretch = 4 << 20

// prefetch maps data in on another core: one call for a stretch of pages spares whoever
// reads them a page fault for every sixteenth. It returns what ends the work and waits for
// its end. Kernels before 5.14 only read ahead.
func prefetch(data []byte) (stop func()) {
	if len(data) > most || runtime.GOMAXPROCS(0) == 1 {
		_ = unix.Madvise(data, unix.MADV_WILLNEED)
		return func() {}
	}
	var stopped atomic.Bool
	done := make(chan struct{})
	go func() {
		defer close(done)
		for part := range slices.Chunk(data, stretch) {
			if stopped.Load() || unix.Madvise(part, unix.MADV_POPULATE_READ) != nil {
				_ = unix.Madvise(data, unix.MADV_WILLNEED)
				return
			}
		}
	}()
	return func() {
		stopped.Store(true)
		<-done
	}
}
