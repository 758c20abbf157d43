//go:build !purego

package kernel

import (
	"testing"

	"golang.org/x/sys/cpu"
)

func init() {
	peaks["neon"] = func(rounds int) int {
		peakNEON(rounds)
		return 2 * 24 * 4 * rounds
	}
}

// BenchmarkPeak8 is what the machine's multipliers can do at most with SDOT, for
// BenchmarkGemm8 to compare with.
func BenchmarkPeak8(b *testing.B) {
	if !cpu.ARM64.HasASIMDDP {
		b.Skip("no dot products")
	}
	const rounds = 1 << 12
	for b.Loop() {
		peak8Dot(rounds)
	}
	b.ReportMetric(float64(b.N)*rounds*24*16*2/b.Elapsed().Seconds()/1e9, "GOP/s")
}
