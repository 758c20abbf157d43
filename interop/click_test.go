package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"image"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
)

// serveSAM starts the server with a small RepViT-SAM and returns its address.
func serveSAM(t testing.TB) string {
	t.Helper()
	dir := t.TempDir()
	run(t, filepath.Join(bin, "repvit"), "convert", testdata+"/sam/repvit_sam.pt", "--size", "128", "-q", "-o", dir+"/s.onnx")
	cmd := exec.Command(filepath.Join(bin, "repvit"), "serve", dir+"/s.encoder.onnx", dir+"/s.decoder.onnx", "--addr", "127.0.0.1:0", "--log", "json", "--drain-delay", "0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	address, ended := make(chan string, 1), make(chan struct{})
	go func() { // to the end, or the server's log would have nowhere to go
		defer close(ended)
		for log := bufio.NewScanner(stderr); log.Scan(); {
			var line struct{ Msg, Address, Level string }
			if err := json.Unmarshal(log.Bytes(), &line); err != nil || line.Level != "INFO" {
				t.Errorf("the server says %s", log.Text())
			}
			if line.Msg == "listening" {
				address <- line.Address
			}
		}
	}()
	t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGTERM)
		<-ended
		if err := cmd.Wait(); err != nil {
			t.Errorf("the server: %v", err)
		}
	})
	select {
	case a := <-address:
		return "http://" + a
	case <-ended:
		t.Fatal("the server did not start")
		return ""
	}
}

func readMask(t testing.TB, path string) (size image.Point, inside []bool) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	img, err := png.Decode(f)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	b := img.Bounds()
	for y := b.Min.Y; y < b.Max.Y; y++ {
		for x := b.Min.X; x < b.Max.X; x++ {
			v, _, _, _ := img.At(x, y).RGBA()
			inside = append(inside, v > 1<<15)
		}
	}
	return b.Size(), inside
}

// TestClick clicks on a photo in a browser: the masks are those of the official code, within what a
// pixel of the screen is in the photo.
func TestClick(t *testing.T) {
	needBrowser(t)
	out := t.TempDir()
	args := []string{"web/click.js", serveSAM(t), testdata + "/sam/repvit_sam.png", out}
	if shots := os.Getenv("REPVIT_SCREENSHOTS"); shots != "" {
		args = append(args, shots)
	}
	if text, err := exec.Command("node", args...).CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	for _, width := range []int{1280, 390} {
		for name, n := range map[string]int{"point": 1, "outside": 2, "switch": 2, "box": 3, "again": 1} {
			file := fmt.Sprintf("%d.%s.png", width, name)
			size, got := readMask(t, filepath.Join(out, file))
			wantSize, want := readMask(t, fmt.Sprintf("%s/sam/repvit_sam.mask%d.png", testdata, n))
			if size != wantSize {
				t.Errorf("%s has %v pixels, want %v", file, size, wantSize)
				continue
			}
			same := 0
			for i := range got {
				if got[i] == want[i] {
					same++
				}
			}
			if 100*same < 98*len(got) {
				t.Errorf("%s: %d of %d pixels are as in the official mask", file, same, len(got))
			}
		}
	}
}
