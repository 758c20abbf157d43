package outfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCheck(t *testing.T) {
	t.Chdir(t.TempDir())
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"in.pth", "other", "images/a/x.png", "images/old.html"} {
		must(os.MkdirAll(filepath.Dir(f), 0o700))
		must(os.WriteFile(f, []byte(f), 0o600))
	}
	must(os.Link("in.pth", "hard"))
	must(os.Link("other", "images/a/hard.png"))
	for from, to := range map[string]string{"soft": "in.pth", "here": ".", "images/a/soft.png": "../../elsewhere", "dangling": "new", "pictures": "images"} {
		if err := os.Symlink(to, from); err != nil {
			t.Skip(err)
		}
	}
	must(os.WriteFile("elsewhere", nil, 0o600))
	abs, err := filepath.Abs("in.pth")
	must(err)
	tests := []struct {
		name            string
		inputs, outputs []string
		want            string // part of the error
	}{
		{"new", []string{"in.pth"}, []string{"new", "new.html"}, ""},
		{"replaced, not read", []string{"in.pth"}, []string{"other"}, ""},
		{"none", []string{"in.pth"}, []string{"", ""}, ""},
		{"an input that is missing", []string{"none"}, []string{"none", "other"}, ""},
		{"itself", []string{"in.pth"}, []string{"in.pth"}, "in.pth: unusable output: output 0 would replace in.pth, which this run reads"},
		{"the second of each", []string{"other", "in.pth"}, []string{"new", "in.pth"}, "output 1 would replace in.pth"},
		{"absolute", []string{"in.pth"}, []string{abs}, "would replace in.pth"},
		{"another spelling", []string{"in.pth"}, []string{"./images/../in.pth"}, "would replace in.pth"},
		{"symbolic link as output", []string{"in.pth"}, []string{"soft"}, "soft: unusable output: output 0 would replace in.pth"},
		{"symbolic link as input", []string{"soft"}, []string{"in.pth"}, "would replace soft"},
		{"hard link", []string{"in.pth"}, []string{"hard"}, "would replace in.pth"},
		{"through a linked folder", []string{"in.pth"}, []string{"here/in.pth"}, "would replace in.pth"},
		{"in a folder", []string{"images"}, []string{"images/a/x.png"}, "would replace images/a/x.png"},
		{"in a folder by a hard link", []string{"images"}, []string{"other"}, "would replace images/a/hard.png"},
		{"in a folder by a symbolic link", []string{"images"}, []string{"elsewhere"}, "would replace images/a/soft.png"},
		{"in a linked folder", []string{"pictures"}, []string{"images/a/x.png"}, "would replace pictures"},
		{"new in a folder", []string{"images"}, []string{"images/new"}, ""},
		{"two outputs", nil, []string{"new", "new"}, "new: unusable output: it would be both output 0 and output 1"},
		{"two spellings", nil, []string{"new", "here/./new"}, "both output 0 and output 1"},
		{"a dangling link and its target", nil, []string{"dangling", "new"}, "both output 0 and output 1"},
		{"a link and its target", nil, []string{"soft", "in.pth"}, "both output 0 and output 1"},
		{"hard links", nil, []string{"hard", "in.pth"}, "the same file as hard, output 0"},
		{"standard output twice", nil, []string{"-", "-"}, "both output 0 and output 1"},
		{"in missing folders", nil, []string{"none/a", "none/b"}, ""},
		{"the same in a missing folder", nil, []string{"none/a", "none/./a"}, "both output 0 and output 1"},
		{"a device", []string{os.DevNull}, []string{os.DevNull, os.DevNull}, ""},
	}
	for _, tt := range tests {
		var outputs []Output
		for i, p := range tt.outputs {
			outputs = append(outputs, Output{p, "output " + string(rune('0'+i))})
		}
		err := Check(tt.inputs, outputs)
		if tt.want == "" && err != nil || tt.want != "" && (!errors.Is(err, ErrTarget) || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: %v, want %q", tt.name, err, tt.want)
		}
	}
}
