//go:build amd64 && !purego

package kernel

import "golang.org/x/sys/cpu"

// hasAVX512 and hasAVX2 report the instructions of the kernels of these names. The operating
// system's support for the wide registers is part of what package cpu reports.
var (
	hasAVX512 = cpu.X86.HasAVX512F && cpu.X86.HasAVX512DQ && cpu.X86.HasAVX512VL && cpu.X86.HasAVX512BW
	hasAVX2   = cpu.X86.HasAVX2 && cpu.X86.HasFMA
)

// float32Sets are the sets that this machine can run.
var float32Sets = func() []*Float32 {
	var sets []*Float32
	if hasAVX512 {
		sets = append(sets, avx512.float32())
	}
	if hasAVX2 {
		sets = append(sets, avx2.float32())
	}
	return append(sets, &generic)
}()
