package cmd

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/internal/torchtest"
)

// A network whose values float32 does not hold is called that, by conversion and comparison.
func TestOverflow(t *testing.T) {
	dir := t.TempDir()
	net := torchtest.RepViT{Widths: []int{8, 8}, SE: []string{"1", "0"}, Classes: 3, Heads: 1}.StateDict()
	for i := range net {
		if n := net[i].Name; n == "features.0.0.c.weight" || n == "features.0.2.c.weight" {
			for k := range net[i].Values {
				net[i].Values[k] = 3e37
			}
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "large.pth"), torchtest.CheckpointOf("model", net), 0o666); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ args, want string }{
		{"repvit-convert large.pth -o large.onnx", "large.pth: the checkpoint's own network computes numbers that are not finite on the check's input: features.0"},
		{"repvit-convert large.pth -o unproven.onnx --no-check -q", ""},
		{"repvit-verify unproven.onnx --against large.pth", "computes numbers that are not finite: features.0"},
	} {
		args := strings.Fields(c.args)
		command := exec.Command(args[0], args[1:]...)
		command.Dir = dir
		text, err := command.CombinedOutput()
		if (err == nil) != (c.want == "") || !strings.Contains(string(text), c.want) {
			t.Errorf("%s: %v, %s; want %s", c.args, err, text, c.want)
		}
	}
	if _, err := os.Stat(filepath.Join(dir, "large.onnx")); err == nil {
		t.Error("an unproven file was written")
	}
}
