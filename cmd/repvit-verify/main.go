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

	"github.com/repvit-go/repvit/internal/cli"
)

func main() { os.Exit(Main()) }

// Main runs the command with the process's arguments and returns its exit status. It is
// separate from main so that test scripts can call it.
func Main() int { return cli.Run(newApp(), os.Args) }
