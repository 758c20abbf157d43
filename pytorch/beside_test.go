package pytorch

import (
	"archive/zip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	tt "github.com/repvit-go/repvit/internal/torchtest"
)

// TestNotCheckpoints: what is no checkpoint is called what it is, with what to do.
func TestNotCheckpoints(t *testing.T) {
	tar := append(append(make([]byte, 257), "ustar"...), make([]byte, 250)...)
	for _, c := range []struct{ data, want string }{
		{"version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n", "git lfs pull"},
		{"<!DOCTYPE html><title>x</title>", "web page (HTML)"},
		{"\ufeff\n <HTML><head>", "web page (HTML)"},
		{`<?xml version="1.0"?><Error><Code>AccessDenied</Code></Error>`, "server's answer"},
		{`{"error":"not found"}`, "JSON text"},
		{`{"metadata":{},"weight_map":{"a":"b"}}`, "in several files"},
		{"Not Found", `text that begins with "Not Found"`},
		{"\x1f\x8b\x08\x00", "gunzip"},
		{"BZh91AY", "bzip2"},
		{"\xfd7zXZ\x00", "xz"},
		{"\x28\xb5\x2f\xfd\x00", "zstd"},
		{"7z\xbc\xaf\x27\x1c", "7z"},
		{"Rar!\x1a", "RAR"},
		{string(tar), "tar -x"},
		{"\x93NUMPY\x01\x00", "NumPy array"},
		{"\x89HDF\r\n", "HDF5"},
		{"\x20\x00\x00\x00TFL3\x00", "TFLite"},
		{"\x80\x02}q\x00.", "plain pickle"},
		{"\x80\x04\x95\x02\x00\x00\x00\x00\x00\x00\x00}.", "plain pickle"},
		{"\x00\x01\x02\x03", "expected the zip or legacy format"},
		{string(tt.Zip(tt.Record{Name: "repvit.pth", Data: []byte("x")})), "unpack it"},
		{string(tt.Zip(tt.Record{Name: "a.npy", Data: []byte("x")})), ".npz"},
		{string(tt.Zip(tt.Record{Name: "config.json", Data: []byte("x")})), "Keras"},
	} {
		_, err := Decode("f", []byte(c.data))
		if err == nil || !strings.Contains(err.Error(), c.want) || !errors.Is(err, ErrUnsupported) && !errors.Is(err, ErrFormat) || strings.Contains(err.Error(), "\n") {
			t.Errorf("%q: %v, want %q", c.data[:min(20, len(c.data))], err, c.want)
		}
	}
}

// TestFolder reads a checkpoint that was unpacked: the folder with data.pkl, and one around it.
func TestFolder(t *testing.T) {
	want := dict(t, open(t, testdata+"v2_release.pth"), Options{})
	z, err := zip.OpenReader(testdata + "v2_release.pth")
	if err != nil {
		t.Fatal(err)
	}
	defer z.Close()
	dir := filepath.Join(t.TempDir(), "a[b]*")
	for _, f := range z.File {
		path := filepath.Join(dir, f.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(r)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, content, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	inner := filepath.Join(dir, "v2_release")
	for _, path := range []string{dir, inner} {
		if !IsFolder(path) {
			t.Fatalf("%s is not recognised", path)
		}
		f := open(t, path)
		got := dict(t, f, Options{})
		if f.Format != "folder" || !slices.Equal(got.Keys(), want.Keys()) {
			t.Fatalf("%s: format %s, %d keys", path, f.Format, len(got.Keys()))
		}
		for _, k := range want.Keys() {
			if !slices.Equal(values(t, got, k), values(t, want, k)) {
				t.Errorf("%s: %s differs", path, k)
			}
		}
	}
	if err := os.Truncate(filepath.Join(inner, "data", "0"), 3); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(inner); !errors.Is(err, ErrFormat) || !strings.Contains(err.Error(), "file data/0: found 3 bytes") {
		t.Errorf("a short storage: %v", err)
	}
}

// TestBeside reads what trainers write beside the weights as data.
func TestBeside(t *testing.T) {
	f := open(t, testdata+"wild/beside.pth")
	skipped := strings.Join(f.Skipped(), "\n")
	for _, want := range []string{`__main__.Recorder under "args.recorder"`, `__main__.Color.RED under "args.color"`, `json.dumps under "args.function"`} {
		if !strings.Contains(skipped, want) {
			t.Errorf("skipped %s, want %s", skipped, want)
		}
	}
	for path, want := range map[string]any{
		"args.data": nil, "args.recorder.loss": []any{1.0, 2.0}, "args.none": nil, "epoch": nil, "args.range.x": nil,
	} {
		got, _ := f.Value(path)
		if list, ok := want.([]any); ok {
			if g, ok := got.([]any); !ok || !slices.Equal(g, list) {
				t.Errorf("%s is %v, want %v", path, got, want)
			}
		}
	}
	if _, ok := f.Value("args.absent"); ok {
		t.Error("it has a value that it has not")
	}
}

// TestModules reads what a whole module states.
func TestModules(t *testing.T) {
	s := dict(t, open(t, testdata+"wild/whole_eps.pt"), Options{})
	bn := s.ModuleAt("features.0.0.bn")
	if bn == nil || bn.Class != "torch.nn.modules.batchnorm.BatchNorm2d" {
		t.Fatalf("features.0.0.bn is %+v", bn)
	}
	if eps, ok := bn.Attribute("eps"); !ok || eps != 1e-3 {
		t.Errorf("eps is %v", eps)
	}
	conv := s.ModuleAt("features.0.0.c")
	if stride, _ := conv.Attribute("stride"); !slices.Equal(stride.([]any), []any{2, 2}) {
		t.Errorf("stride is %v", stride)
	}
	if _, ok := conv.Attribute("nonesuch"); ok || conv.Hooked() {
		t.Error("it has what it has not")
	}
	if m := s.ModuleAt("features.1"); !slices.Equal(m.Children, []string{"token_mixer", "channel_mixer"}) {
		t.Errorf("children %q", m.Children)
	}
	if s.ModuleAt("features.99") != nil || s.Modules()[0] != "" {
		t.Error("modules are not those of the network")
	}
	plain := dict(t, open(t, testdata+"v2_release.pth"), Options{})
	if len(plain.Modules()) != 0 || plain.ModuleAt("features.0") != nil {
		t.Error("a state dict has modules")
	}
	if hooked := dict(t, open(t, testdata+"wild/whole_hook.pt"), Options{}); !hooked.ModuleAt("features.3").Hooked() {
		t.Error("a hook is overlooked")
	}
}
