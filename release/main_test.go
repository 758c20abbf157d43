package main

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"gopkg.in/yaml.v3"
)

var (
	at    = time.Date(2026, 1, 2, 3, 4, 6, 0, time.UTC)
	files = []file{{"repvit", 0o755, []byte("program")}, {"repvit-convert", 0o755, []byte("other")}, {"LICENSE", 0o644, []byte("text")}}
)

// TestImage: an image has repvit and its licence, starts it as nobody, and has the same bytes each time.
func TestImage(t *testing.T) {
	var written [2][]byte
	path := filepath.Join(t.TempDir(), "image.tar")
	for i := range written {
		if err := writeImage(path, files, "v1.2.3", "arm64", at); err != nil {
			t.Fatal(err)
		}
		var err error
		if written[i], err = os.ReadFile(path); err != nil {
			t.Fatal(err)
		}
	}
	if !bytes.Equal(written[0], written[1]) {
		t.Error("two images of the same files differ")
	}
	image, err := tarball.ImageFromPath(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := image.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	if c.Architecture != "arm64" || c.OS != "linux" || !c.Created.Equal(at) || !slices.Equal(c.Config.Entrypoint, []string{"/repvit"}) || c.Config.User != nobody {
		t.Errorf("config %+v", c)
	}
	layers, err := image.Layers()
	if err != nil || len(layers) != 1 {
		t.Fatalf("%d layers, %v", len(layers), err)
	}
	r, err := layers[0].Uncompressed()
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, r); !slices.Equal(got, []string{"repvit", "LICENSE"}) {
		t.Errorf("the image holds %q", got)
	}
}

func names(t *testing.T, r io.Reader) (all []string) {
	t.Helper()
	for tr := tar.NewReader(r); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		if !h.ModTime.Equal(at) || (h.Mode == 0o755) != strings.HasPrefix(h.Name, "repvit") {
			t.Errorf("%s: mode %o, time %v", h.Name, h.Mode, h.ModTime)
		}
		all = append(all, h.Name)
	}
}

func TestArchive(t *testing.T) {
	var b bytes.Buffer
	if err := writeTar(&b, files, at); err != nil {
		t.Fatal(err)
	}
	z, err := gzip.NewReader(&b)
	if err != nil {
		t.Fatal(err)
	}
	if got := names(t, z); !slices.Equal(got, []string{"repvit", "repvit-convert", "LICENSE"}) {
		t.Errorf("the archive holds %q", got)
	}
}

// TestSBOM: every module that is linked is listed, the one that took another's place included.
func TestSBOM(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sbom.json")
	info := &buildinfo.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Path: "example.com/main", Version: "v1.2.3"}, Deps: []*debug.Module{
		{Path: "example.com/a", Version: "v0.1.0"}, {Path: "example.com/b", Version: "v0.2.0", Replace: &debug.Module{Path: "example.com/c", Version: "v0.3.0"}}}}
	if err := writeSBOM(path, info, at); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var b struct {
		BOMFormat  string
		Metadata   struct{ Component struct{ Version string } }
		Components []struct{ PURL string }
	}
	if err := json.Unmarshal(data, &b); err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, c := range b.Components {
		got = append(got, c.PURL)
	}
	if want := []string{"pkg:golang/std@1.26.0", "pkg:golang/example.com/a@v0.1.0", "pkg:golang/example.com/c@v0.3.0"}; b.BOMFormat != "CycloneDX" || b.Metadata.Component.Version != "v1.2.3" || !slices.Equal(got, want) {
		t.Errorf("%s", data)
	}
}

// TestAction: action.yml is what GitHub reads, its inputs are those that it uses, the script knows each
// variable, and docs/ci.md explains each input.
func TestAction(t *testing.T) {
	read := func(path string) string {
		data, err := os.ReadFile(filepath.Join("..", path))
		if err != nil {
			t.Fatal(err)
		}
		return string(data)
	}
	var action struct {
		Name, Description string
		Inputs            map[string]struct{ Description string }
		Runs              struct {
			Using string
			Steps []struct {
				Uses, Shell, Run string
				Env              map[string]string
			}
		}
	}
	if err := yaml.Unmarshal([]byte(read("action.yml")), &action); err != nil {
		t.Fatal(err)
	}
	if action.Runs.Using != "composite" || action.Name == "" || action.Description == "" {
		t.Errorf("found %+v, want a composite action", action)
	}
	script, page := read("scripts/action"), read("docs/ci.md")
	used := map[string]bool{}
	for _, s := range action.Runs.Steps {
		if (s.Uses == "") == (s.Run == "") || s.Run != "" && s.Shell == "" {
			t.Errorf("step %+v: want what it uses, or what it runs and in which shell", s)
		}
		if strings.Contains(s.Run, "${{") {
			t.Errorf("a script with %q in it runs what an input says", s.Run)
		}
		for name, value := range s.Env {
			m := regexp.MustCompile(`^\$\{\{ inputs\.([a-z-]+) \}\}$`).FindStringSubmatch(value)
			if m == nil {
				continue
			}
			used[m[1]] = true
			if _, ok := action.Inputs[m[1]]; !ok {
				t.Errorf("%s is no input", value)
			}
			if !strings.Contains(script, "$"+name) && !strings.Contains(script, "${"+name) {
				t.Errorf("scripts/action does not read %s", name)
			}
		}
	}
	for name := range action.Inputs {
		if !used[name] {
			t.Errorf("input %s is not used", name)
		}
		if !strings.Contains(page, "`"+name+"`") {
			t.Errorf("docs/ci.md does not explain %s", name)
		}
	}
	if err := yaml.Unmarshal([]byte(read(".github/workflows/release.yml")), new(map[string]any)); err != nil {
		t.Error(err)
	}
}
