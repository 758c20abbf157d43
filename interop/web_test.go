package interop

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// webConversion is a conversion that the page is asked for.
type webConversion struct {
	Name   string `json:"name"`
	Format string `json:"format"`
	Type   string `json:"type"`
	Size   string `json:"size,omitempty"`
	Labels bool   `json:"labels,omitempty"`
	Images bool   `json:"images,omitempty"`
	Report bool   `json:"report,omitempty"`
	Photo  bool   `json:"photo,omitempty"`
	Flags  string `json:"flags,omitempty"`

	native []string // what the command is given for the same
}

// webPlan is what web/check.js does.
type webPlan struct {
	Checkpoint  string          `json:"checkpoint"`
	Labels      string          `json:"labels"`
	Images      []string        `json:"images"`
	Photo       string          `json:"photo"`
	Hostile     []string        `json:"hostile"`
	Conversions []webConversion `json:"conversions"`
	Keyboard    bool            `json:"keyboard"`
}

// webSaid is what the page said.
type webSaid struct {
	LoadSeconds float64 `json:"loadSeconds"`
	Found       string  `json:"found"`
	Hostile     map[string]struct {
		Error string `json:"error"`
		Found string `json:"found"`
	} `json:"hostile"`
	Conversions map[string]struct {
		Seconds  float64  `json:"seconds"`
		Error    string   `json:"error"`
		Said     string   `json:"said"`
		Seen     []string `json:"seen"`
		SeenSaid string   `json:"seenSaid"`
	} `json:"conversions"`
}

// usePage builds the page, has a browser use it, and returns what it said and the folder of what
// it gave.
func usePage(t testing.TB, plan webPlan) (said webSaid, out string) {
	t.Helper()
	needBrowser(t)
	page, out := t.TempDir(), t.TempDir()
	run(t, "../scripts/web", page)
	text, err := json.Marshal(plan)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(out, "plan.json")
	if err := os.WriteFile(file, text, 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"web/check.js", page, file, out}
	if shots := os.Getenv("REPVIT_SCREENSHOTS"); shots != "" {
		args = append(args, shots)
	}
	if text, err := exec.Command("node", args...).CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, text)
	}
	text, err = os.ReadFile(filepath.Join(out, "said.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &said); err != nil {
		t.Fatal(err)
	}
	return said, out
}

// contents returns files of a folder, or of archives in it, by their names.
func contents(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	read := func(files fs.FS) {
		err := fs.WalkDir(files, ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			all[path], err = fs.ReadFile(files, path)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	read(os.DirFS(dir))
	for name, data := range all {
		if filepath.Ext(name) == ".zip" {
			z, err := zip.NewReader(bytes.NewReader(data), int64(len(data)))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			delete(all, name)
			read(z)
		}
	}
	return all
}

// address is that of an object, which some errors about pickles show.
var address = regexp.MustCompile(`0x[0-9a-f]+`)

// TestPage: what the page gives is what the command gives, byte for byte, and so are its errors.
func TestPage(t *testing.T) {
	const checkpoint, sample = testdata + "/v2_release.pth", "../docs/sample/"
	images, err := filepath.Glob(sample + "images/*")
	if err != nil || len(images) < 10 {
		t.Fatal(images, err)
	}
	hostile, err := filepath.Glob(testdata + "/hostile/*.pth")
	if err != nil || len(hostile) < 50 {
		t.Fatal(len(hostile), err)
	}
	if testing.Short() {
		hostile = hostile[:10]
	}
	plan := webPlan{Checkpoint: checkpoint, Labels: sample + "classes.txt", Images: images, Photo: images[0], Hostile: hostile, Keyboard: true, Conversions: []webConversion{
		{Name: "onnx", Format: "onnx", Type: "float32", Size: "64", Labels: true, Report: true, Photo: true, native: []string{"--labels", sample + "classes.txt"}},
		{Name: "half", Format: "onnx", Type: "float16", Size: "dynamic", Flags: "--softmax  --opset '20'", native: []string{"--half", "--softmax", "--opset", "20", "--size", "dynamic"}},
		{Name: "native", Format: "native", Type: "float32", Size: "64x96", Photo: true, native: []string{"--size", "64x96"}},
		{Name: "tflite", Format: "tflite", Type: "float32", Size: "64", Labels: true, Photo: true, native: []string{"--labels", sample + "classes.txt"}},
		{Name: "tflite.int8", Format: "tflite", Type: "int8", Size: "64", Images: true, Flags: "--accept-loss", native: []string{"--quant", "int8", "--calib", sample + "images", "--accept-loss"}},
		{Name: "coreml", Format: "coreml", Type: "float16", Size: "64", Labels: true, Photo: true, native: []string{"--labels", sample + "classes.txt"}},
		{Name: "coreml.float32", Format: "coreml", Type: "float32", Size: "64", native: []string{"--float32"}},
		{Name: "ncnn", Format: "ncnn", Type: "float16", Size: "64", Photo: true, native: []string{"--half"}},
		{Name: "wrong", Format: "ncnn", Type: "float32", Size: "dynamic"},
	}}
	said, out := usePage(t, plan)

	// Without the version that git gives, and with the kernels that the page has, whose rounding int8
	// ranges depend on.
	dir := t.TempDir()
	run(t, "go", "-C", "..", "build", "-buildvcs=false", "-tags", "purego", "-o", dir+string(filepath.Separator), "./cmd/repvit")
	command := filepath.Join(dir, "repvit")
	for _, c := range plan.Conversions {
		s := said.Conversions[c.Name]
		if c.Name == "wrong" {
			if !strings.Contains(s.Error, "--size dynamic: ncnn files have one size") {
				t.Errorf("%s: the page says %q", c.Name, s.Error)
			}
			continue
		}
		if s.Error != "" || !strings.Contains(s.Said, "Checked fusing") {
			t.Errorf("%s: the page says %q %q", c.Name, s.Error, s.Said)
			continue
		}
		dir := t.TempDir()
		args := append([]string{"convert", checkpoint, "-q", "--output-dir", dir, "--format", c.Format}, c.native...)
		if !slices.Contains(args, "--size") {
			args = append(args, "--size", "64")
		}
		run(t, command, args...)
		want, got := contents(t, dir), contents(t, filepath.Join(out, c.Name))
		for name := range want {
			if !bytes.Equal(got[name], want[name]) {
				t.Errorf("%s: %s has %d bytes, want %d, or others", c.Name, name, len(got[name]), len(want[name]))
			}
			delete(got, name)
		}
		if c.Report {
			if !bytes.Contains(got["v2_release.report.html"], []byte("repvit convert --progress --format onnx")) {
				t.Errorf("%s: the report of %d bytes does not name the command", c.Name, len(got["v2_release.report.html"]))
			}
			delete(got, "v2_release.report.html")
		}
		for name := range got {
			t.Errorf("%s: the page gives %s, the command does not", c.Name, name)
		}
		if !c.Photo {
			continue
		}
		entries, err := os.ReadDir(dir)
		if err != nil {
			t.Fatal(err)
		}
		model := entries[len(entries)-1].Name() // of ncnn's the .param
		var predicted struct{ Classes []struct{ Label string } }
		if err := json.Unmarshal([]byte(run(t, command, "predict", "--json", filepath.Join(dir, model), plan.Photo)), &predicted); err != nil {
			t.Fatal(err)
		}
		var labels []string
		for _, p := range predicted.Classes {
			labels = append(labels, p.Label)
		}
		if len(labels) != 5 || !slices.Equal(s.Seen, labels) {
			t.Errorf("%s: the page sees %q (%s), the command %q", c.Name, s.Seen, s.SeenSaid, labels)
		}
	}
	for _, file := range hostile {
		name := filepath.Base(file)
		got := said.Hostile[name]
		cmd := exec.Command(command, "inspect", name)
		cmd.Dir = filepath.Dir(file)
		stderr := &strings.Builder{}
		cmd.Stdout, cmd.Stderr = io.Discard, stderr
		failed := cmd.Run() != nil
		want := address.ReplaceAllString(strings.TrimSpace(strings.TrimPrefix(stderr.String(), "repvit: ")), "")
		if got.Error = address.ReplaceAllString(got.Error, ""); failed && got.Error != want {
			t.Errorf("%s: the page says %q, the command %q", name, got.Error, want)
		}
		if !failed && (got.Error != "" || !strings.Contains(got.Found, name)) {
			t.Errorf("%s: the page says %q %q, the command describes the file", name, got.Error, got.Found)
		}
	}
}

// BenchmarkPage reports what the page takes to load, and to convert $REPVIT_CHECKPOINT to ONNX with
// the proof.
func BenchmarkPage(b *testing.B) {
	checkpoint := os.Getenv("REPVIT_CHECKPOINT")
	if checkpoint == "" {
		b.Skip("REPVIT_CHECKPOINT names no checkpoint")
	}
	for b.Loop() {
		said, _ := usePage(b, webPlan{Checkpoint: checkpoint, Photo: "../docs/sample/images/00.jpg", Conversions: []webConversion{
			{Name: "onnx", Format: "onnx", Type: "float32", Photo: true},
			{Name: "again", Format: "onnx", Type: "float32", Photo: true},
			{Name: "report", Format: "onnx", Type: "float32", Report: true},
		}})
		b.ReportMetric(said.LoadSeconds, "s/load")
		for name, c := range said.Conversions {
			b.ReportMetric(c.Seconds, "s/"+name)
			b.Log(name, c.Error, c.Said, c.SeenSaid)
		}
	}
}
