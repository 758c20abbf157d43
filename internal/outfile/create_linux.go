package outfile

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// create opens a file that has no name, or a named neighbour on file systems that have no
// unnamed files.
func (f *File) create(dir string) error {
	fd, err := unix.Open(dir, unix.O_TMPFILE|unix.O_RDWR|unix.O_CLOEXEC, 0o666)
	switch {
	case errors.Is(err, unix.EOPNOTSUPP), errors.Is(err, unix.EISDIR), errors.Is(err, unix.EINVAL):
		return f.neighbour(dir)
	case err != nil:
		return &os.PathError{Op: "create a file in", Path: dir, Err: err}
	}
	f.start(os.NewFile(uintptr(fd), f.path))
	return nil
}

// rename gives the file its name. An unnamed file can't replace another in one step: it
// gets a temporary name first, and a kill between the two leaves a complete file.
func (f *File) rename() error {
	if f.temp == "" {
		self := fmt.Sprintf("/proc/self/fd/%d", f.file.Fd())
		err := unix.Linkat(unix.AT_FDCWD, self, unix.AT_FDCWD, f.path, unix.AT_SYMLINK_FOLLOW)
		if err == nil {
			return nil
		}
		if !errors.Is(err, unix.EEXIST) {
			return err
		}
		temp := filepath.Join(filepath.Dir(f.path), fmt.Sprintf("%s%x.tmp", temporary, rand.Uint64()))
		if err := unix.Linkat(unix.AT_FDCWD, self, unix.AT_FDCWD, temp, unix.AT_SYMLINK_FOLLOW); err != nil {
			return err
		}
		f.temp = temp
	}
	return os.Rename(f.temp, f.path)
}

// newMode is what a new file gets: the umask can only be read by setting it.
func newMode() os.FileMode {
	mask := unix.Umask(0o022)
	unix.Umask(mask)
	return os.FileMode(0o666 &^ mask)
}

// startWriteBack has the kernel begin to write a part of a file back. It is a hint: errors
// show when the file is synced.
func startWriteBack(f *os.File, from, n int64) {
	_ = unix.SyncFileRange(int(f.Fd()), from, n, unix.SYNC_FILE_RANGE_WRITE)
}

// exchange makes two folders trade their names in one step.
func exchange(a, b string) error {
	err := unix.Renameat2(unix.AT_FDCWD, a, unix.AT_FDCWD, b, unix.RENAME_EXCHANGE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.ENOSYS) || errors.Is(err, unix.EOPNOTSUPP) {
		return swap(a, b)
	}
	return err
}
