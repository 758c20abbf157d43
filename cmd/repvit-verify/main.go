// Command repvit-verify proves that a network computes what it should: reference logits,
// what another file computes, or the labels of a folder of images.
//
//	repvit-verify [flags] MODEL
//	repvit-verify run [flags] MODEL --input X.npy -o Y.npy
//	repvit-verify bench [flags] MODEL
//	repvit-verify preprocess [flags] IMAGE -o X.npy
package main

import (
	"os"

	"github.com/repvit-go/repvit/internal/app/verifycmd"
)

func main() { os.Exit(verifycmd.Main()) }
