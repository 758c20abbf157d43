// Command arm64 generates the kernels for arm64: see package kernel for what they compute,
// and each generating method for its plan of registers and caches. Its output is committed;
// go generate ./infer/... reproduces it byte for byte.
package main

import (
	"log"
	"os"
)

func main() {
	log.SetFlags(0)
	a := newFile()
	a.gemm()
	a.transpose()
	a.depthwise(1, 1)
	a.depthwise(1, 2)
	a.depthwise(2, 1)
	a.window()
	a.winograd("In", a.tileIn)
	a.winograd("Out", a.tileOut)
	a.sum()
	a.scale()
	a.add()
	a.max()
	a.addScaled()
	a.apply()
	a.peak()
	write("../float32_arm64.s", a.Bytes())
	write("../float32_tables_arm64.go", tables())
	a = newFile()
	a.gemm8(matrices)
	a.gemm8(dots)
	a.gemm8(widened)
	a.depthwise8()
	a.lines8()
	a.peak8()
	write("../int8_arm64.s", a.Bytes())
}

func write(name string, data []byte) {
	if err := os.WriteFile(name, data, 0o666); err != nil {
		log.Fatal(err)
	}
}
