// Package interop tests the commands against software that shares no code with them: ONNX
// Runtime, LiteRT, the ONNX checker, OpenCV, a browser, the GNU assembler, and on arm64 by QEMU.
// setup.sh installs them. Where a peer is missing the tests that need it are skipped, but
// with CI=true they fail.
package interop

import (
	"bytes"
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/repvit-go/repvit/graph"
	"github.com/repvit-go/repvit/npy"
)

const testdata = "../testdata"

// bin is the folder of the commands that TestMain built.
var bin string

func TestMain(m *testing.M) {
	os.Exit(func() int {
		dir, err := os.MkdirTemp("", "repvit-interop-")
		if err != nil {
			panic(err)
		}
		defer os.RemoveAll(dir)
		bin = dir
		out, err := exec.Command("go", "-C", "..", "build", "-o", dir+string(filepath.Separator), "./cmd/...").CombinedOutput()
		if err != nil {
			fmt.Fprintf(os.Stderr, "%s%v\n", out, err)
			return 1
		}
		return m.Run()
	}())
}

// run executes a command and returns its standard output; the test fails where the command
// does.
func run(t testing.TB, name string, args ...string) string {
	t.Helper()
	if strings.HasPrefix(name, "repvit-") {
		name = filepath.Join(bin, name)
	}
	cmd := exec.Command(name, args...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", filepath.Base(name), strings.Join(args, " "), err, stderr.String())
	}
	return string(out)
}

// need skips a test whose peer is not installed; in CI that is a failure.
func need(t testing.TB, peer string, probe func() error) {
	t.Helper()
	if err := probe(); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is not installed: %v", peer, err)
		}
		t.Skipf("%s is not installed (interop/setup.sh does it): %v", peer, err)
	}
}

var ortThere = sync.OnceValue(func() error { return exec.Command("node", "-e", "require('onnxruntime-node')").Run() })

func needORT(t testing.TB) { t.Helper(); need(t, "ONNX Runtime", ortThere) }

var checkerThere = sync.OnceValue(func() error { return exec.Command("/usr/bin/python3", "-c", "import onnx, cv2").Run() })

func needChecker(t testing.TB) { t.Helper(); need(t, "the ONNX checker or OpenCV", checkerThere) }

func read(t testing.TB, path string) *graph.Tensor {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	x, err := npy.Read(data)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	return x
}

// near fails where two tensors differ by more than a tolerance relative to the largest
// element wanted.
func near(t testing.TB, what string, got, want *graph.Tensor, tolerance float64) {
	t.Helper()
	g, w := got.Float64s(), want.Float64s()
	if len(g) != len(w) {
		t.Fatalf("%s: %d elements, want %d", what, len(g), len(w))
	}
	worst, scale := 0.0, 1.0
	for i := range g {
		d := math.Abs(g[i] - w[i])
		if d != d {
			d = math.Inf(1)
		}
		worst, scale = max(worst, d), max(scale, math.Abs(w[i]))
	}
	if worst > tolerance*scale {
		t.Errorf("%s: largest difference %.2g, want at most %.2g", what, worst, tolerance*scale)
	}
}

// ort runs a model in ONNX Runtime and returns output i's file for each i.
func ort(t testing.TB, model, input string) func(i int) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "out.npy")
	run(t, "node", "ort.js", "run", model, input, out)
	return func(i int) string { return strings.TrimSuffix(out, ".npy") + "." + strconv.Itoa(i) + ".npy" }
}

func milliseconds(t testing.TB, text string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
