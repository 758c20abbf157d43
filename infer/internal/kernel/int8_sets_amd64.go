//go:build amd64 && !purego

package kernel

import "github.com/klauspost/cpuid/v2"

// int8Sets are the sets that this machine can run.
var int8Sets = func() []*Int8 {
	var sets []*Int8
	if cpuid.CPU.Supports(cpuid.AVX512F, cpuid.AVX512DQ, cpuid.AVX512VL, cpuid.AVX512BW, cpuid.AVX512VNNI) {
		sets = append(sets, avx512vnni8.int8(cpuid.CPU.Supports(cpuid.AVX512VBMI)))
	}
	if cpuid.CPU.Supports(cpuid.AVX2, cpuid.AVXVNNI) {
		sets = append(sets, avxvnni8.int8(false))
	}
	if cpuid.CPU.Supports(cpuid.AVX2) {
		sets = append(sets, avx28.int8(false))
	}
	return append(sets, &generic8)
}()
