package interop

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
)

// rounds is how often the two engines take turns; the ratio is the median of the rounds'.
const rounds = 5

// BenchmarkAgainstONNXRuntime times the engine and ONNX Runtime on the same file in one
// run, in turn, and reports both medians and their ratio. It needs a checkpoint:
//
//	REPVIT_CHECKPOINT=m0_9.pth go test -run '^$' -bench AgainstONNXRuntime -benchtime 1x
func BenchmarkAgainstONNXRuntime(b *testing.B) {
	needORT(b)
	checkpoint := os.Getenv("REPVIT_CHECKPOINT")
	if checkpoint == "" {
		b.Skip("REPVIT_CHECKPOINT names no checkpoint")
	}
	for _, kind := range []struct {
		name string
		args []string
	}{
		{"float32", nil},
		{"int8-pointwise", []string{"--quant", "int8"}},
		{"int8-all", []string{"--quant", "int8", "--int8-scope", "all"}},
	} {
		dir := b.TempDir()
		onnx, native := filepath.Join(dir, "m.onnx"), filepath.Join(dir, "m.safetensors")
		for _, out := range []string{onnx, native} {
			run(b, "repvit-convert", append(kind.args, checkpoint, "-q", "--no-check", "-o", out)...)
		}
		for _, threads := range []int{1, 2} {
			for _, batch := range []int{1, 8} {
				b.Run(fmt.Sprintf("%s/threads=%d/batch=%d", kind.name, threads, batch), func(b *testing.B) {
					for range b.N {
						against(b, onnx, native, threads, batch)
					}
				})
			}
		}
	}
}

// BenchmarkInstructionSets times the kernels that this processor can run besides its best against ONNX
// Runtime, which takes the best that it finds and cannot be told otherwise. It needs a checkpoint as
// [BenchmarkAgainstONNXRuntime] does.
func BenchmarkInstructionSets(b *testing.B) {
	needORT(b)
	checkpoint := os.Getenv("REPVIT_CHECKPOINT")
	if checkpoint == "" {
		b.Skip("REPVIT_CHECKPOINT names no checkpoint")
	}
	for _, kind := range []struct {
		name string
		args []string
		isas []string
	}{
		{"float32", nil, []string{"avx512", "avx2", "neon", "generic"}},
		{"int8", []string{"--quant", "int8", "--int8-scope", "all"}, []string{"avx512vnni", "avxvnni", "avx2", "neon-i8mm", "neon-dot", "neon", "generic"}},
	} {
		dir := b.TempDir()
		onnx := filepath.Join(dir, "m.onnx")
		run(b, "repvit-convert", append(kind.args, checkpoint, "-q", "--no-check", "-o", onnx)...)
		for _, isa := range kind.isas {
			if exec.Command(filepath.Join(bin, "repvit-verify"), "bench", onnx, "--isa", isa, "--runs", "1", "-q").Run() != nil {
				continue // not of this machine
			}
			b.Run(kind.name+"/"+isa, func(b *testing.B) {
				for range b.N {
					against(b, onnx, onnx, 1, 1, "--isa", isa)
				}
			})
		}
	}
}

func against(b *testing.B, onnx, native string, threads, batch int, flags ...string) {
	b.Helper()
	var ours, theirs, ratios []float64
	runs := fmt.Sprint(max(10, 60/batch))
	for range rounds {
		var r struct {
			Median float64 `json:"median_ms"`
		}
		text := run(b, "repvit-verify", append([]string{"bench", native, "--json", "--size", "224", "--runs", runs, "--threads", fmt.Sprint(threads), "--batch", fmt.Sprint(batch)}, flags...)...)
		if err := json.Unmarshal([]byte(text), &r); err != nil {
			b.Fatal(err)
		}
		o := milliseconds(b, run(b, "node", "ort.js", "bench", onnx, fmt.Sprint(threads), runs, fmt.Sprintf("%d,3,224,224", batch)))
		ours, theirs, ratios = append(ours, r.Median), append(theirs, o), append(ratios, r.Median/o)
	}
	median := func(v []float64) float64 { slices.Sort(v); return v[len(v)/2] }
	b.ReportMetric(median(ours), "engine-ms")
	b.ReportMetric(median(theirs), "ort-ms")
	b.ReportMetric(median(ratios), "ratio")
	b.ReportMetric(0, "ns/op")
}
