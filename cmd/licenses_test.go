package cmd

import (
	"os/exec"
	"strings"
	"testing"

	"github.com/repvit-go/repvit/internal/notices"
)

// TestLicenses: the commands link nothing whose licence does not stand in the notices, and
// nothing of onnx-go, below which one restricts commercial profit.
func TestLicenses(t *testing.T) {
	out, err := exec.Command("go", "list", "-deps", "-f", "{{with .Module}}{{if not .Main}}{{.Path}} {{.Version}}{{end}}{{end}}", "./...").Output()
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	for module := range strings.Lines(string(out)) {
		module = strings.TrimSpace(module)
		if module == "" {
			continue
		}
		seen++
		if strings.Contains(module, "gorgonia") || strings.Contains(module, "onnx-go") {
			t.Errorf("the commands link %s", module)
		}
		if !strings.Contains(notices.Text, "\n"+module+"\n") {
			t.Errorf("the notices lack %s: go generate ./internal/notices", module)
		}
	}
	if seen == 0 {
		t.Error("found no modules")
	}
	for _, command := range []string{"repvit", "repvit-convert", "repvit-verify"} {
		if got, err := exec.Command(command, "licenses").Output(); err != nil || string(got) != notices.Text {
			t.Errorf("%s licenses prints %d bytes, %v; the notices have %d", command, len(got), err, len(notices.Text))
		}
	}
}
