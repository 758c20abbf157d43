package infile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, []byte("text"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got, err := ReadFile(path); err != nil || string(got) != "text" {
		t.Errorf("%q, %v", got, err)
	}
	for name, want := range map[string]error{filepath.Join(t.TempDir(), "none"): fs.ErrNotExist, t.TempDir(): ErrKind, os.DevNull: ErrKind} {
		var pe *fs.PathError
		if _, err := ReadFile(name); !errors.Is(err, want) || !errors.As(err, &pe) {
			t.Errorf("%s: %v, want %v", name, err, want)
		}
	}
}
