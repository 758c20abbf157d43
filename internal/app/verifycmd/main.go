// Package verifycmd is the command repvit-verify.
package verifycmd

import (
	"os"

	"github.com/repvit-go/repvit/internal/cli"
)

// Main runs the command with the process's arguments and returns its exit status.
func Main() int { return cli.Run(newApp(), os.Args) }
