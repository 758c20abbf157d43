package infile

import (
	"errors"
	"path/filepath"
	"syscall"
	"testing"
)

// TestPipe would wait for ever if opening did.
func TestPipe(t *testing.T) {
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path); !errors.Is(err, ErrKind) {
		t.Errorf("%v", err)
	}
}
