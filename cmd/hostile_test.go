package cmd

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/internal/hostilemodels"
	"github.com/repvit-go/repvit/npy"
)

// TestHostileModels gives every hostile model file to every command that takes one: there is
// an answer, or one line and exit status 1.
func TestHostileModels(t *testing.T) {
	dir := t.TempDir()
	var input bytes.Buffer
	if err := npy.Write(&input, graph.Float32Tensor([]int{1, 3, 8, 8}, make([]float32, 192))); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "x.npy"), input.Bytes(), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, m := range hostilemodels.Models() {
		if err := os.WriteFile(filepath.Join(dir, m.Name), m.Data, 0o666); err != nil {
			t.Fatal(err)
		}
		for _, args := range [][]string{
			{"repvit-convert", "inspect", m.Name},
			{"repvit-verify", "bench", m.Name, "--runs", "1", "--profile"},
			{"repvit-verify", "run", m.Name, "--input", "x.npy", "-o", "y.npy"},
			{"repvit-verify", m.Name, "--against", m.Name},
			{"repvit-verify", m.Name, "--against", m.Name, "--engine", "reference"},
		} {
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute) // a guard against loops
			c := exec.CommandContext(ctx, args[0], args[1:]...)
			var stdout, stderr strings.Builder
			c.Dir, c.Stdout, c.Stderr = dir, &stdout, &stderr
			err := c.Run()
			late := ctx.Err() != nil
			cancel()
			what := strings.Join(args, " ")
			status := c.ProcessState.ExitCode()
			lines := strings.Count(stderr.String(), "\n")
			switch {
			case late:
				t.Errorf("%s: it does not end", what)
			case status != 0 && status != 1, lines > 1, status == 1 && lines+len(stdout.String()) == 0, strings.Contains(stderr.String(), "goroutine"):
				t.Errorf("%s: status %d (%v) with %d lines: %.500s", what, status, err, lines, stderr.String())
			}
			if r := strings.IndexFunc(stdout.String()+stderr.String(), func(r rune) bool { return r != '\n' && r < 0x80 && unicode.IsControl(r) }); r >= 0 {
				t.Errorf("%s: found a control character at byte %d of its output", what, r)
			}
		}
	}
}
