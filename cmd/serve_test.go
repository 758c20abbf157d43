//go:build unix

package cmd

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// TestServe starts the server as a process: it says where it listens, answers, loads another model
// on SIGHUP, and takes longer than other commands may to end on SIGTERM, with status 0.
func TestServe(t *testing.T) {
	t.Parallel()
	model := filepath.Join(t.TempDir(), "m.safetensors")
	if out, err := exec.Command("repvit", "convert", "../testdata/v2_release.pth", "-o", model, "--size", "64", "-q").CombinedOutput(); err != nil {
		t.Fatalf("%v %s", err, out)
	}
	cmd := exec.Command("repvit", "serve", model, "--addr", "127.0.0.1:0", "--log", "json", "--drain-delay", "3500ms", "--watch", "0")
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer cmd.Process.Kill()
	log := bufio.NewScanner(stderr)
	// next returns the next line of the log with a message.
	next := func(message string) (line struct{ Msg, Address, Path string }) {
		t.Helper()
		for log.Scan() {
			if err := json.Unmarshal(log.Bytes(), &line); err != nil {
				t.Fatalf("%v: %s", err, log.Text())
			}
			if line.Msg == message {
				return line
			}
		}
		t.Fatalf("the log has no line %q", message)
		return line
	}
	url := "http://" + next("listening").Address
	picture, err := os.ReadFile("../docs/sample/images/00.jpg")
	if err != nil {
		t.Fatal(err)
	}
	r, err := http.Post(url+"/classify?top=1", "image/jpeg", bytes.NewReader(picture))
	if err != nil {
		t.Fatal(err)
	}
	body, err := io.ReadAll(r.Body)
	r.Body.Close()
	if err != nil || r.StatusCode != 200 || !strings.HasPrefix(string(body), `{"schema":1,"classes":[{"class":7,"label":"7","score":0.25`) {
		t.Errorf("%s %s %v", r.Status, body, err)
	}
	if line := next("request"); line.Path != "/classify?top=1" {
		t.Errorf("logged %+v", line)
	}
	cmd.Process.Signal(syscall.SIGHUP)
	next("model loaded")
	cmd.Process.Signal(syscall.SIGTERM)
	next("stopped")
	if err := cmd.Wait(); err != nil {
		t.Errorf("after SIGTERM: %v", err)
	}
}
