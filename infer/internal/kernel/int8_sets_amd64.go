//go:build amd64 && !purego

package kernel

import "golang.org/x/sys/cpu"

// int8Sets are the sets that this machine can run.
var int8Sets = func() []*Int8 {
	var sets []*Int8
	if hasAVX512 && cpu.X86.HasAVX512VNNI {
		sets = append(sets, avx512vnni8.int8(cpu.X86.HasAVX512VBMI))
	}
	if cpu.X86.HasAVX2 && cpu.X86.HasAVXVNNI {
		sets = append(sets, avxvnni8.int8(false))
	}
	if cpu.X86.HasAVX2 {
		sets = append(sets, avx28.int8(false))
	}
	return append(sets, &generic8)
}()
