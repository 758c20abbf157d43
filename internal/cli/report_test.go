package cli

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/report"
)

func TestCommandLine(t *testing.T) {
	tests := []struct {
		args []string
		want string
	}{
		{nil, ""},
		{[]string{"m1.pth", "-o", "out/m1.int8.onnx", "--crop-pct=0.95"}, "m1.pth -o out/m1.int8.onnx --crop-pct=0.95"},
		{[]string{""}, "''"},
		{[]string{"my model.pth"}, "'my model.pth'"},
		{[]string{"it's.pth"}, `'it'\''s.pth'`},
		{[]string{"$HOME", "`id`", `a\b`, "a*b", "a;b"}, "'$HOME' '`id`' 'a\\b' 'a*b' 'a;b'"},
		{[]string{"~/m.pth", "größe.pth", "#1"}, "'~/m.pth' 'größe.pth' '#1'"},
	}
	for _, tt := range tests {
		if got := CommandLine(tt.args); got != tt.want {
			t.Errorf("%q: %s, want %s", tt.args, got, tt.want)
		}
	}
}

// TestShellReadsCommandLine has a shell take quoted arguments apart again.
func TestShellReadsCommandLine(t *testing.T) {
	sh, err := exec.LookPath("sh")
	if err != nil {
		t.Skip(err)
	}
	args := []string{"", "plain", "two words", "it's", `"$x"`, "`id`", "$(id)", `back\slash`, "*", "~", "~root", "a\nb", "\t", "!!", "#", "&&", "größe", "-", "--", "[a]", "{a,b}"}
	out, err := exec.Command(sh, "-c", `printf '%s\0' `+CommandLine(args)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Split(strings.TrimSuffix(string(out), "\x00"), "\x00"); !slices.Equal(got, args) {
		t.Errorf("the shell reads\n%q, want\n%q", got, args)
	}
}

func TestWriteReport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "report.html")
	if err := WriteReport(path, &report.Data{Title: "Equal"}); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(text), "Equal") {
		t.Errorf("%v, %d bytes without the title", err, len(text))
	}
	if err := WriteReport(filepath.Join(t.TempDir(), "missing", "report.html"), &report.Data{}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("in a folder that is not there: %v", err)
	}
}
