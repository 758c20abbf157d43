// Command repvit-convert turns trained RepViT checkpoints into files that run elsewhere:
// fused, optionally quantized, as ONNX or in the native format.
//
//	repvit-convert [flags] CHECKPOINT...
//	repvit-convert inspect FILE...
package main

import (
	"os"

	"github.com/repvit-go/repvit/internal/app/convertcmd"
)

func main() { os.Exit(convertcmd.Main()) }
