package interop

import (
	"path/filepath"
	"testing"
)

// TestRuntimesOfPages runs what is written in headless Chromium with the runtimes that people put into pages: ONNX
// Runtime as WebAssembly and on WebGPU, LiteRT on WebGPU. Their logits are held against the reference engine's.
func TestRuntimesOfPages(t *testing.T) {
	needBrowser(t)
	dir, input := t.TempDir(), randomInput(t, 1, 3, 64, 64)
	file := func(name string) string { return filepath.Join(dir, name) }
	for _, m := range []string{"m.onnx", "m.tflite"} {
		run(t, "repvit-convert", testdata+"/v2_release.pth", "-q", "--size", "64", "-o", file(m))
	}
	run(t, "repvit-verify", "run", file("m.onnx"), "--engine", "reference", "--input", input, "-q", "-o", file("want.npy"))
	want := read(t, file("want.npy"))
	for runtime, m := range map[string]string{"ort-wasm": "m.onnx", "ort-webgpu": "m.onnx", "litert-webgpu": "m.tflite"} {
		t.Run(runtime, func(t *testing.T) {
			run(t, "node", "web/runtimes.js", runtime, file(m), input, file(runtime+".npy"))
			near(t, runtime, read(t, file(runtime+".npy")), want, phoneError)
		})
	}
}
