//go:build unix

package infile

import "syscall"

// nonblock has opening a pipe return at once. It means nothing for regular files.
const nonblock = syscall.O_NONBLOCK
