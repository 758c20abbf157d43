package interop

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// pythonBlocks returns the blocks marked "python" of a page that have a comment "<!-- before: … -->"
// above them, behind what that says.
func pythonBlocks(page string) (blocks []string) {
	before, block := "", ""
	for line := range strings.SplitSeq(page, "\n") {
		switch {
		case block != "" && line == "```":
			blocks, block = append(blocks, block), ""
		case block != "":
			block += line + "\n"
		case strings.HasPrefix(line, "<!-- before: "):
			before = strings.TrimSuffix(strings.TrimPrefix(line, "<!-- before: "), " -->") + "\n"
		case line == "```python":
			block, before = before, ""
		case line != "":
			before = ""
		}
	}
	return blocks
}

// TestDocumentedPython runs the documentation's Python with OpenCV in the place of PyTorch and
// ONNX Runtime, and holds a conversion against what it wrote.
func TestDocumentedPython(t *testing.T) {
	needChecker(t)
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	stands, err := filepath.Abs("python")
	if err != nil {
		t.Fatal(err)
	}
	checkpoint, err := filepath.Abs(filepath.Join(testdata, "v2_release.pth"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS("../docs/sample")); err != nil {
		t.Fatal(err)
	}
	in := func(name string) string { return filepath.Join(dir, name) }
	run(t, "repvit-convert", checkpoint, "-q", "--size", "64", "--labels", in("classes.txt"), "-o", in("m.onnx"))
	run(t, "repvit-convert", checkpoint, "-q", "--size", "224", "-o", in("at224.onnx"))
	run(t, "repvit-convert", checkpoint, "-q", "--size", "64", "--features", "-o", in("backbone.onnx"))
	found := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, block := range pythonBlocks(string(text)) {
			found++
			cmd := exec.Command("/usr/bin/python3", "-c", block)
			cmd.Dir, cmd.Env = dir, append(os.Environ(), "PYTHONPATH="+stands, "PYTHONDONTWRITEBYTECODE=1")
			if out, err := cmd.CombinedOutput(); err != nil {
				t.Errorf("%s: %v\n%s\n%s", page, err, block, out)
			}
			if !strings.Contains(block, `"y.npy"`) {
				continue
			}
			run(t, "repvit-convert", checkpoint, "-q", "--input", in("x.npy"), "--expect", in("y.npy"), "-o", in("proven.onnx"))
			run(t, "repvit-verify", in("proven.onnx"), "--input", in("x.npy"), "--logits", in("y.npy"))
			for _, name := range []string{"x.npy", "y.npy"} {
				if err := os.Remove(in(name)); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if found < 4 {
		t.Errorf("found %d blocks of Python to run", found)
	}
}

// TestNumPyReadsArrays: what run writes is an .npz to NumPy.
func TestNumPyReadsArrays(t *testing.T) {
	needChecker(t)
	dir := t.TempDir()
	maps, file := filepath.Join(dir, "maps.npz"), filepath.Join(dir, "b.onnx")
	run(t, "repvit-convert", filepath.Join(testdata, "v2_train.pth"), "-q", "--size", "64", "--features", "-o", file)
	run(t, "repvit-verify", "run", file, "--input", filepath.Join(testdata, "input.npy"), "-o", maps, "-q")
	again := filepath.Join(dir, "again.npz")
	out := run(t, "/usr/bin/python3", "-c", `import sys, numpy as np
z = np.load(sys.argv[1])
print(*[f"{k} {z[k].dtype} {z[k].shape[:2]}" for k in z.files], sep="\n")
np.savez_compressed(sys.argv[2], **z)`, maps, again)
	if want := "stage1 float32 (2, "; !strings.HasPrefix(out, want) || strings.Count(out, "\n") != 4 {
		t.Errorf("NumPy reads\n%s", out)
	}
	run(t, "repvit-verify", file, "--input", filepath.Join(testdata, "input.npy"), "--expect", again)
}
