package mmap

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	for _, size := range []int{0, 1, 4095, 4096, 4097, 1 << 20} {
		path := filepath.Join(dir, "file")
		want := bytes.Repeat([]byte{7}, size)
		if err := os.WriteFile(path, want, 0o600); err != nil {
			t.Fatal(err)
		}
		m, err := Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(m.Data, want) {
			t.Errorf("%d bytes: content differs", size)
		}
		if err := errors.Join(m.Close(), m.Close()); err != nil {
			t.Error(err)
		}
		if m.Data != nil {
			t.Error("data is still there after Close")
		}
	}
}

// TestOfWritten maps a file by the handle that wrote it and stands at its end.
func TestOfWritten(t *testing.T) {
	f, err := os.Create(filepath.Join(t.TempDir(), "file"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteString("text"); err != nil {
		t.Fatal(err)
	}
	m, err := Of(f)
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	if string(m.Data) != "text" {
		t.Errorf("%q", m.Data)
	}
	if n, err := f.Seek(0, io.SeekCurrent); err != nil || n != 4 {
		t.Errorf("the handle stands at %d, %v", n, err)
	}
}

func TestOpenErrors(t *testing.T) {
	if _, err := Open(filepath.Join(t.TempDir(), "none")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("missing file: %v", err)
	}
	var pe *fs.PathError
	if _, err := Open(t.TempDir()); !errors.As(err, &pe) {
		t.Errorf("directory: %v", err)
	}
	if _, err := Open(os.DevNull); !errors.As(err, &pe) {
		t.Errorf("device: %v", err)
	}
}
