//go:build !js

package repvitcmd

import (
	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/internal/app/servecmd"
)

// serveCommands are those of the server, and the values of their flags.
func serveCommands() ([]*urfave.Command, map[string][]string) {
	return servecmd.Commands(), servecmd.Choices()
}
