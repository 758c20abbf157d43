package infer

import (
	"slices"

	"github.com/repvit-go/repvit/infer/internal/kernel"
)

// Instruction sets, for [Options].ISA and as [Stats].ISA has them. The second group says more
// precisely what the integer kernels of int8 networks use.
const (
	ISAAVX512  = "avx512"
	ISAAVX2    = "avx2"
	ISANEON    = "neon"
	ISAGeneric = "generic" // plain Go, on every processor

	ISAAVX512VNNI = "avx512vnni"
	ISAAVXVNNI    = "avxvnni"
	ISANEONI8MM   = "neon-i8mm"
	ISANEONDot    = "neon-dot"
)

// ISAs returns the instruction sets that this machine has kernels for, the best first.
func ISAs() []string {
	var names []string
	for _, s := range kernel.All() {
		names = append(names, s.Name)
	}
	for _, s := range kernel.All8() {
		if !slices.Contains(names, s.Name) {
			names = append(names, s.Name)
		}
	}
	return names
}
