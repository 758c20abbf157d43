package interop

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
)

var binutilsThere = sync.OnceValue(func() error { return exec.Command("aarch64-linux-gnu-as", "--version").Run() })

var qemuThere = sync.OnceValue(func() error { return exec.Command("qemu-aarch64-static", "--version").Run() })

// TestArm64Encodings checks that the words of arm64's assembly are the instructions that
// their comments say, by what the GNU assembler makes of the comments.
func TestArm64Encodings(t *testing.T) {
	need(t, "the GNU assembler for arm64", binutilsThere)
	files, err := filepath.Glob("../infer/internal/kernel/*_arm64.s")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`WORD \$0x([0-9a-f]{8})(?: // (.*))?`)
	words := map[string]uint32{}
	var source []string
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range line.FindAllStringSubmatch(string(text), -1) {
			word, err := strconv.ParseUint(m[1], 16, 32)
			if err != nil {
				t.Fatal(err)
			}
			if before, ok := words[m[2]]; ok {
				if before != uint32(word) {
					t.Errorf("%s: %q is %#x and %#x", name, m[2], before, word)
				}
				continue
			}
			words[m[2]] = uint32(word)
			source = append(source, m[2])
		}
	}
	if len(source) < 500 {
		t.Fatalf("found %d instructions in %v", len(source), files)
	}
	dir := t.TempDir()
	in, object, code := filepath.Join(dir, "words.s"), filepath.Join(dir, "words.o"), filepath.Join(dir, "words.bin")
	if err := os.WriteFile(in, []byte(strings.Join(source, "\n")+"\n"), 0o666); err != nil {
		t.Fatal(err)
	}
	run(t, "aarch64-linux-gnu-as", "-march=armv8.2-a+dotprod+i8mm", in, "-o", object)
	run(t, "aarch64-linux-gnu-objcopy", "-O", "binary", "-j", ".text", object, code)
	data, err := os.ReadFile(code)
	if err != nil {
		t.Fatal(err)
	}
	if len(data) != 4*len(source) {
		t.Fatalf("the assembler wrote %d bytes for %d instructions", len(data), len(source))
	}
	for i, text := range source {
		if got, want := words[text], binary.LittleEndian.Uint32(data[4*i:]); got != want {
			t.Errorf("%s is %#08x, the assembler says %#08x", text, got, want)
		}
	}
}

// arm64 builds the command repvit-verify for arm64 and returns how to run it on a processor.
func arm64(t *testing.T) func(cpu string, args ...string) string {
	t.Helper()
	need(t, "QEMU", qemuThere)
	verify := filepath.Join(t.TempDir(), "repvit-verify")
	build := exec.Command("go", "-C", "..", "build", "-o", verify, "./cmd/repvit-verify")
	build.Env = append(os.Environ(), "GOOS=linux", "GOARCH=arm64", "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("%s%v", out, err)
	}
	return func(cpu string, args ...string) string {
		return run(t, "qemu-aarch64-static", append([]string{"-cpu", cpu, verify}, args...)...)
	}
}

// TestArm64Networks runs the networks of testdata on emulated arm64 processors, the oldest and
// one with all extensions: their logits are those of PyTorch in float64, but for rounding.
func TestArm64Networks(t *testing.T) {
	verify := arm64(t)
	expected, err := filepath.Glob(testdata + "/*.logits64.npy")
	if err != nil {
		t.Fatal(err)
	}
	compared := 0
	for _, want := range expected {
		name := strings.TrimSuffix(want, ".logits64.npy")
		for _, ext := range []string{".pth", ".pt", ".safetensors"} {
			if _, err := os.Stat(name + ext); err != nil {
				continue
			}
			got := filepath.Join(t.TempDir(), "logits.npy")
			cpu := "max"
			if compared%2 == 1 {
				cpu = "cortex-a53"
			}
			verify(cpu, "run", name+ext, "--input", testdata+"/input.npy", "-q", "-o", got)
			x, y := read(t, got).Float64s(), read(t, want).Float64s()
			if len(x) != len(y) {
				t.Fatalf("%s: %d logits, expected %d", name, len(x), len(y))
			}
			worst := 0.0
			for i, v := range y {
				worst = max(worst, math.Abs(x[i]-v)/max(1, math.Abs(v)))
			}
			t.Logf("%s: largest difference %.2g", filepath.Base(name), worst)
			if !(worst <= 1e-5) {
				t.Errorf("%s: logits differ by %.2g", name, worst)
			}
			compared++
		}
	}
	if compared < 8 {
		t.Errorf("only %d networks were compared", compared)
	}
}

// TestArm64Int8 checks that an int8 network has the bits of amd64 on emulated processors with
// matrix products, dot products and neither, and that they use the kernels that they should.
func TestArm64Int8(t *testing.T) {
	verify := arm64(t)
	for _, scope := range []string{"pointwise", "all"} {
		network, _ := quantized(t, "v2_release.pth", scope)
		here, there := filepath.Join(t.TempDir(), "amd64.npy"), filepath.Join(t.TempDir(), "arm64.npy")
		run(t, "repvit-verify", "run", network, "--input", testdata+"/input.npy", "-q", "-o", here)
		want, err := os.ReadFile(here)
		if err != nil {
			t.Fatal(err)
		}
		for cpu, isa := range map[string]string{"max": "neon-i8mm", "neoverse-n1": "neon-dot", "cortex-a53": "neon"} {
			verify(cpu, "run", network, "--input", testdata+"/input.npy", "-q", "-o", there)
			got, err := os.ReadFile(there)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(got, want) {
				t.Errorf("%s, %s: logits differ from those of amd64", scope, cpu)
			}
			var bench struct{ ISA string }
			out := verify(cpu, "bench", network, "--size", "64", "--runs", "1", "--json")
			if err := json.Unmarshal([]byte(out), &bench); err != nil {
				t.Fatalf("%v in %s", err, out)
			}
			if bench.ISA != isa {
				t.Errorf("%s runs on %q, expected %q", cpu, bench.ISA, isa)
			}
		}
	}
}
