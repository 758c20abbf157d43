// Command float32 generates the float32 kernels for amd64 with avo: see package kernel for
// what they compute, and each generating function for its plan of registers and caches. Its
// output is committed; go generate ./infer/... reproduces it byte for byte.
package main

import (
	"flag"
	"log"
	"os"

	. "github.com/mmcloughlin/avo/build"
)

func main() {
	log.SetFlags(0)
	tables := flag.String("tables", "", "file for the constants that kernels read through pointers")
	flag.Parse()
	if *tables != "" {
		if err := os.WriteFile(*tables, constants(), 0o666); err != nil {
			log.Fatal(err)
		}
	}
	ConstraintExpr("amd64,!purego")
	for _, s := range []*isa{avx512, avx2} {
		s.gemm()
		s.depthwise()
		s.window()
		s.winograd()
		s.sum()
		s.scale()
		s.add()
		s.activations()
		s.peak()
	}
	avx2.transpose()
	avx2.max()
	avx2.addScaled()
	Generate()
}
