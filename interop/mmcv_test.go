package interop

import (
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestOpenCVPreprocessing prepares whole images as mmcv does with OpenCV. One level of 255 makes
// a difference of 0.017.
func TestOpenCVPreprocessing(t *testing.T) {
	needChecker(t)
	lines := strings.Split(strings.TrimSpace(run(t, "/usr/bin/python3", "mmcv.py", t.TempDir())), "\n")
	if len(lines) != 120 {
		t.Fatalf("found %d images", len(lines))
	}
	out := filepath.Join(t.TempDir(), "x.npy")
	for _, line := range lines {
		f := strings.Fields(line)
		run(t, "repvit-verify", "preprocess", f[0], "--like", f[1], "--scale", f[2], "-o", out, "-q")
		got, want := read(t, out), read(t, f[3])
		if !slices.Equal(got.Shape, want.Shape) {
			t.Errorf("%s: shape %v, expected %v", line, got.Shape, want.Shape)
			continue
		}
		near(t, line, got, want, 1e-6)
	}
}
