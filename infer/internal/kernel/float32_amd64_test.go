//go:build amd64 && !purego

package kernel

func init() {
	peaks["avx512"] = func(rounds int) int {
		peakAVX512(rounds)
		return 2 * 12 * 16 * rounds
	}
	peaks["avx2"] = func(rounds int) int {
		peakAVX2(rounds)
		return 2 * 12 * 8 * rounds
	}
}
