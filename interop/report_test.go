package interop

import (
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// browserThere probes for what check.js needs.
var browserThere = sync.OnceValue(func() error {
	return exec.Command("node", "-e", "const fs = require('fs'); require('playwright-core'); fs.accessSync(process.env.CHROMIUM || '/usr/bin/chromium', fs.constants.X_OK)").Run()
})

func needBrowser(t testing.TB) { t.Helper(); need(t, "Chromium or playwright-core", browserThere) }

// view opens a report in a browser, wide and narrow, light and dark; the test fails on
// every fault that a reader would see.
func view(t *testing.T, path string) {
	t.Helper()
	out, err := exec.Command("node", "report/check.js", path).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", filepath.Base(path), err, out)
	}
}

func TestConversionReports(t *testing.T) {
	needBrowser(t)
	const checkpoint, images = testdata + "/v2_release.pth", "../docs/sample/images"
	for _, tt := range []struct {
		name string
		args []string
	}{
		{"float", nil},
		{"half", []string{"--half"}},
		{"features", []string{"--features"}},
		{"int8", []string{"--quant", "int8", "--calib", images}},
		{"int8 everywhere", []string{"--quant", "int8", "--calib", images, "--int8-scope", "all", "--keep-float", "2"}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			report := filepath.Join(dir, "report.html")
			run(t, "repvit-convert", append(tt.args, checkpoint, "-q", "--size", "64", "-o", filepath.Join(dir, "m.onnx"), "--report", report)...)
			view(t, report)
		})
	}
}

func TestVerificationReports(t *testing.T) {
	needBrowser(t)
	const sample = "../docs/sample/"
	dir := t.TempDir()
	file := func(name string) string { return filepath.Join(dir, name) }
	run(t, "repvit-convert", testdata+"/v2_release.pth", "-q", "--size", "64", "--labels", sample+"classes.txt", "-o", file("m.onnx"))
	run(t, "repvit-convert", testdata+"/v2_release.pth", "-q", "--size", "64", "--labels", sample+"classes.txt", "--quant", "int8", "--int8-scope", "all", "--calib", testdata+"/input.npy", "-o", file("int8.onnx"))
	scenes := testdata + "/dense/"
	run(t, "repvit-convert", scenes+"scenes_seg.pth", "-q", "--size", "128", "-o", file("seg.onnx"))
	run(t, "repvit-convert", scenes+"scenes_det.pth", "-q", "--size", "128", "-o", file("det.onnx"))
	evaluation := []string{"--images", sample + "images", "--labels", sample + "labels.csv"}
	for _, tt := range []struct {
		name    string
		args    []string
		differs bool
	}{
		{"logits", []string{file("m.onnx"), "--input", testdata + "/input.npy", "--logits", testdata + "/v2_release.logits.npy"}, false},
		{"against", []string{file("m.onnx"), "--against", testdata + "/v2_release.pth"}, false},
		{"differs", []string{file("m.onnx"), "--against", testdata + "/v2_channels_last.pth"}, true},
		{"images", append(evaluation, file("m.onnx")), false},
		{"images against", append(evaluation, file("int8.onnx"), "--against", file("m.onnx")), false},
		{"images, several models", append(evaluation, file("m.onnx"), file("int8.onnx"), testdata+"/v1_release.pth", "--size", "64"), false},
		{"classes of pixels", []string{file("seg.onnx"), "--images", scenes + "images", "--masks", scenes + "masks"}, false},
		{"objects", []string{file("det.onnx"), "--images", scenes + "images", "--coco", scenes + "instances.json"}, false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			report := filepath.Join(t.TempDir(), "report.html")
			args := append(tt.args, "--report", report)
			if !tt.differs {
				run(t, "repvit-verify", args...)
			} else if out, err := exec.Command(filepath.Join(bin, "repvit-verify"), args...).CombinedOutput(); err == nil || !strings.Contains(string(out), "differ") {
				t.Fatalf("repvit-verify: %v, want that the outputs differ\n%s", err, out)
			}
			view(t, report)
		})
	}
}

// TestSampleReports views what the tests of package report draw: every section, filled, and
// strings that try to break out of the page.
func TestSampleReports(t *testing.T) {
	needBrowser(t)
	dir := t.TempDir()
	run(t, "go", "-C", "..", "test", "./report", "-count=1", "-run", "TestSections|TestHostileStrings", "-args", "-keep", dir)
	pages, err := filepath.Glob(filepath.Join(dir, "*.html"))
	if err != nil || len(pages) < 2 {
		t.Fatalf("%d reports, %v", len(pages), err)
	}
	for _, p := range pages {
		view(t, p)
	}
}
