// Command repvit is repvit-convert and repvit-verify in one program.
//
//	repvit convert|inspect|verify|evaluate|run|bench|preprocess [flags] FILE...
package main

import (
	"os"

	"github.com/repvit-go/repvit/internal/app/repvitcmd"
)

func main() { os.Exit(repvitcmd.Main()) }
