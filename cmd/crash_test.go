//go:build linux

package cmd

import (
	"bytes"
	"errors"
	"flag"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var kills = flag.Int("kills", 20, "how often each command is killed at a random moment")

// command prepares a call of repvit-convert.
func command(args ...string) *exec.Cmd {
	return exec.Command("repvit-convert", args...)
}

func names(t *testing.T, dir string) (names []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// images fills a folder with n small images.
func images(t *testing.T, n int) string {
	t.Helper()
	dir := t.TempDir()
	r := rand.New(rand.NewPCG(1, 2))
	for i := range n {
		img := image.NewRGBA(image.Rect(0, 0, 40, 36))
		for p := range img.Pix {
			img.Pix[p] = uint8(r.Uint32())
		}
		img.Set(i%40, 3, color.White)
		var b bytes.Buffer
		if err := png.Encode(&b, img); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%03d.png", i)), b.Bytes(), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// TestKill kills conversions at random moments: the output is the old one or the complete
// new one, and once a process that was killed is gone its half-written file is too.
func TestKill(t *testing.T) {
	calib := images(t, 4)
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"onnx", []string{"../testdata/v2_release.pth", "--size", "64", "-q"}},
		{"native", []string{"../testdata/timm_v1.safetensors", "--size", "64", "-q", "--format", "native"}},
		{"int8", []string{"../testdata/v2_release.pth", "--size", "64", "-q", "--quant", "int8", "--calib", calib}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			out := filepath.Join(dir, "m.onnx")
			args := append(tt.args, "-o", out)
			start := time.Now()
			if text, err := command(args...).CombinedOutput(); err != nil {
				t.Fatalf("%v\n%s", err, text)
			}
			whole := time.Since(start)
			want, err := os.ReadFile(out)
			if err != nil {
				t.Fatal(err)
			}
			previous := []byte("previous output")
			replaced := 0
			for i := range *kills {
				if err := os.WriteFile(out, previous, 0o666); err != nil {
					t.Fatal(err)
				}
				cmd := command(args...)
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Duration(rand.Int64N(int64(whole) * 11 / 10)))
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				got, err := os.ReadFile(out)
				switch {
				case err != nil:
					t.Fatal(err)
				case bytes.Equal(got, want):
					replaced++
				case !bytes.Equal(got, previous):
					t.Fatalf("kill %d: the output is neither the old nor the new one: %d bytes", i, len(got))
				}
				// Between its temporary and its final name a file is complete.
				for _, n := range names(t, dir) {
					if n == "m.onnx" {
						continue
					}
					if got, err := os.ReadFile(filepath.Join(dir, n)); err != nil || !bytes.Equal(got, want) {
						t.Fatalf("kill %d left %s with %d bytes, %v", i, n, len(got), err)
					}
					os.Remove(filepath.Join(dir, n))
				}
			}
			t.Logf("%d kills, the new output was there %d times", *kills, replaced)
		})
	}
}

// TestManyConversions converts hundreds of checkpoints in one call.
func TestManyConversions(t *testing.T) {
	const n = 500
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	checkpoint, err := filepath.Abs("../testdata/v2_release.pth")
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if err := os.Symlink(checkpoint, filepath.Join(in, fmt.Sprintf("%03d.pth", i))); err != nil {
			t.Fatal(err)
		}
	}
	if text, err := command(in, "--output-dir", out, "--size", "64", "-q", "--no-check").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if got := len(names(t, out)); got != n {
		t.Errorf("%d outputs, want %d", got, n)
	}
}

// TestInterrupt sends SIGINT in the middle of calibration.
func TestInterrupt(t *testing.T) {
	calib := images(t, 64)
	dir := t.TempDir()
	out := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(out, []byte("previous output"), 0o666); err != nil {
		t.Fatal(err)
	}
	cmd := command("../testdata/v2_release.pth", "--size", "512", "--quant", "int8", "--calib", calib, "-o", out)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	time.Sleep(300 * time.Millisecond)
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 130 {
		t.Fatalf("an interrupted command ends with %v, want status 130\n%s", err, stderr.String())
	}
	if !strings.Contains(stderr.String(), "interrupted; nothing was written") || strings.Contains(stderr.String(), "goroutine") {
		t.Errorf("stderr: %s", stderr.String())
	}
	if got, _ := os.ReadFile(out); string(got) != "previous output" {
		t.Errorf("the previous output is now %d bytes", len(got))
	}
	if n := names(t, dir); len(n) != 1 {
		t.Errorf("the folder holds %v", n)
	}
}

// TestInterruptBatch sends SIGTERM between many conversions: what was written is said, and is
// whole.
func TestInterruptBatch(t *testing.T) {
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	checkpoint, err := filepath.Abs("../testdata/v2_release.pth")
	if err != nil {
		t.Fatal(err)
	}
	for i := range 2000 {
		if err := os.Symlink(checkpoint, filepath.Join(in, fmt.Sprintf("%04d.pth", i))); err != nil {
			t.Fatal(err)
		}
	}
	cmd := command(in, "--output-dir", out, "--size", "64", "-q")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for range 3000 {
		if _, err := os.Stat(filepath.Join(out, "0004.onnx")); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	want := fmt.Sprintf("repvit-convert: interrupted; written before: %[1]s/0000.onnx, %[1]s/0001.onnx, %[1]s/0002.onnx and %[2]d more; nothing else was written\n", out, len(names(t, out))-3)
	if cmd.ProcessState.ExitCode() != 143 || stderr.String() != want {
		t.Errorf("status %d, %swant %s", cmd.ProcessState.ExitCode(), stderr.String(), want)
	}
}

// TestInterruptPipe interrupts a conversion whose output is a pipe that nobody reads.
func TestInterruptPipe(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := command("../testdata/v2_release.pth", "--size", "64", "-q", "-o", pipe)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	guard := time.AfterFunc(time.Minute, func() {
		t.Error("still there after a minute")
		_ = cmd.Process.Kill()
	})
	defer guard.Stop()
	time.Sleep(500 * time.Millisecond)
	if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if cmd.ProcessState.ExitCode() != 143 || stderr.String() != "repvit-convert: interrupted; nothing was written\n" {
		t.Errorf("status %d, %s", cmd.ProcessState.ExitCode(), stderr.String())
	}
}

// TestFullDisk converts onto a file system with too little room.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mounting a small file system needs privileges: %v", err)
	}
	defer syscall.Unmount(dir, 0)
	out := filepath.Join(dir, "m.onnx")
	if err := os.WriteFile(out, []byte("previous output"), 0o666); err != nil {
		t.Fatal(err)
	}
	text, err := command("../testdata/v2_release.pth", "--size", "64", "-o", out).CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 || !bytes.Contains(text, []byte("no space left on device")) || bytes.Count(text, []byte("\n")) != 1 {
		t.Errorf("a full disk: %v\n%s", err, text)
	}
	if got, _ := os.ReadFile(out); string(got) != "previous output" {
		t.Errorf("the previous output is now %d bytes", len(got))
	}
	if n := names(t, dir); len(n) != 1 {
		t.Errorf("the folder holds %v", n)
	}
}

// TestUnwritableFolder runs as somebody who may not write there, where the tests run as root.
func TestUnwritableFolder(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	cmd := command("../testdata/v2_release.pth", "--size", "64", "-o", filepath.Join(dir, "m.onnx"))
	if os.Geteuid() == 0 {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		bin := filepath.Dir(cmd.Path)
		for _, p := range []string{filepath.Dir(dir), bin, filepath.Dir(bin)} { // made for us alone
			if err := os.Chmod(p, 0o755); err != nil {
				t.Fatal(err)
			}
		}
		for p := dir; p != "/"; p = filepath.Dir(p) {
			if info, err := os.Stat(p); err == nil && info.Mode().Perm()&0o001 == 0 {
				t.Skipf("%s can't be entered by another user", p)
			}
		}
	}
	text, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		if errors.Is(err, os.ErrPermission) {
			t.Skipf("another user can't run the command here: %v", err)
		}
		t.Errorf("an unwritable folder: %v\n%s", err, text)
	}
	if n := names(t, dir); len(n) != 0 {
		t.Errorf("the folder holds %v", n)
	}
}
