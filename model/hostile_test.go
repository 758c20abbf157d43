package model_test

import (
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/model"
	"github.com/repvit-go/repvit/model/family"
	"github.com/repvit-go/repvit/pytorch"
)

//go:generate go run ../internal/hostilegen ../testdata/hostile

const hostileDir = "../testdata/hostile"

// TestHostile reads every file of testdata/hostile as a conversion does. Each must end in
// the one-line error that expected.txt has, and cost little memory.
func TestHostile(t *testing.T) {
	table, err := os.ReadFile(filepath.Join(hostileDir, "expected.txt"))
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{"expected.txt": true}
	for line := range strings.Lines(string(table)) {
		name, want, ok := strings.Cut(strings.TrimSuffix(line, "\n"), "\t")
		if !ok || want == "" {
			t.Fatalf("expected.txt has %q, want a file, a tab and an error", line)
		}
		listed[name] = true
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(hostileDir, name)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			err := convert(path)
			runtime.ReadMemStats(&after)
			if err == nil {
				t.Fatal("it was read without an error")
			}
			text := err.Error()
			narrow := bits.UintSize == 32 && (strings.Contains(text, "more than 32 bits") || name == "safetensors_shape_overflow.safetensors")
			if !strings.Contains(text, path+": ") || !strings.Contains(text, want) && !narrow {
				t.Errorf("error is %q, want the path and %q", text, want)
			}
			if strings.ContainsAny(text, "\n\r") || len(text) > 1000 {
				t.Errorf("error is not one readable line: %q", text)
			}
			if n := after.TotalAlloc - before.TotalAlloc; n > 128<<20 {
				t.Errorf("it cost %d MiB", n>>20)
			}
		})
	}
	files, err := os.ReadDir(hostileDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range files {
		if !listed[f.Name()] {
			t.Errorf("%s is not in expected.txt", f.Name())
		}
	}
}

// convert does what a conversion does up to the training form, and reads the tensors that
// are no part of a network, too.
func convert(path string) error {
	f, err := pytorch.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	sd, err := f.StateDict(pytorch.Options{})
	if err != nil {
		return err
	}
	for _, key := range sd.Keys() {
		x, _ := sd.Get(key)
		if _, err := x.Float32s(); err != nil {
			return &fs.PathError{Op: "read", Path: path, Err: err}
		}
	}
	if _, err = family.Build(sd, model.Options{}); err != nil {
		return &fs.PathError{Op: "convert", Path: path, Err: err}
	}
	return nil
}
