//go:build amd64 && !purego

package kernel

import (
	"testing"
	"unsafe"

	"golang.org/x/sys/cpu"
)

func init() {
	if Named8("avx512vnni") != nil {
		s := avx512vnni8.int8(false)
		s.Name += " without VBMI"
		extra8 = append(extra8, s)
	}
}

// BenchmarkPeak8 is what the machine's multipliers can do at most with VPDPBUSD, for
// BenchmarkGemm8 to compare with.
func BenchmarkPeak8(b *testing.B) {
	if !cpu.X86.HasAVX512VNNI {
		b.Skip("no AVX-512 VNNI")
	}
	const n = 1 << 12
	l := line8{n: n}
	for b.Loop() {
		peak8AVX512((*byte)(unsafe.Pointer(&l)))
	}
	b.ReportMetric(float64(b.N)*n*24*64*2/b.Elapsed().Seconds()/1e9, "GOP/s")
}
