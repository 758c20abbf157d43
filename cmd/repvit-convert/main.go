// Command repvit-convert turns trained RepViT checkpoints into files that run elsewhere:
// fused, optionally quantized, as ONNX or in the native format.
//
//	repvit-convert [flags] CHECKPOINT...
//	repvit-convert inspect FILE...
package main

import (
	"os"

	"github.com/repvit-go/repvit/internal/cli"
)

func main() { os.Exit(Main()) }

// Main runs the command with the process's arguments and returns its exit status. It is
// separate from main so that test scripts can call it.
func Main() int { return cli.Run(newApp(), os.Args) }
