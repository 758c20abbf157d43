//go:build amd64 && !purego

package kernel

import "github.com/klauspost/cpuid/v2"

// float32Sets are the sets that this machine can run. The operating system's support for
// the wide registers is part of what cpuid reports.
var float32Sets = func() []*Float32 {
	var sets []*Float32
	if cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512DQ, cpuid.AVX512VL, cpuid.AVX512BW) {
		sets = append(sets, avx512.float32())
	}
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.FMA3) {
		sets = append(sets, avx2.float32())
	}
	return append(sets, &generic)
}()
