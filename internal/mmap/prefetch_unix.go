//go:build unix && !linux

package mmap

import "golang.org/x/sys/unix"

// prefetch prepares data for being read from front to back.
func prefetch(data []byte) { _ = unix.Madvise(data, unix.MADV_WILLNEED) }
