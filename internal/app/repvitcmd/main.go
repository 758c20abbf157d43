// Package repvitcmd is the command repvit: those of the two others beside each other, and serve.
package repvitcmd

import (
	"maps"
	"os"
	"slices"
	"strings"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/internal/app/convertcmd"
	"github.com/repvit-go/repvit/internal/app/verifycmd"
	"github.com/repvit-go/repvit/internal/cli"
)

// Main runs the command with the process's arguments and returns its exit status.
func Main() int { return cli.Run(newApp(), os.Args) }

func newApp() *urfave.App {
	choices := convertcmd.Choices()
	maps.Copy(choices, verifycmd.Choices())
	serve, ofServe := serveCommands()
	maps.Copy(choices, ofServe)
	return &urfave.App{
		Name: "repvit",
		Description: `Exit status: 0 equal, criteria met or done; 1 outputs differ or a criterion is missed;
2 wrong usage; 3 the work could not be done; 130 or 143 interrupted. With --json, results and
errors are one JSON object on standard output.`,
		Usage:     "trained RepViT networks out of PyTorch into production, proven",
		UsageText: "repvit COMMAND [flags] FILE...",
		Version:   cli.Version(),
		Metadata:  map[string]any{cli.Choices: choices},
		Commands:  slices.Concat(convertcmd.Commands(), verifycmd.Commands(), serve),
		Action: func(c *urfave.Context) error {
			if c.Args().Len() == 0 {
				return cli.Usagef("no command given")
			}
			word := c.Args().First()
			if _, err := os.Stat(word); err == nil {
				return cli.Usagef("%s is a file, expected a command first, such as repvit inspect %[1]s, or convert, verify or bench", word)
			}
			return cli.Usagef("found command %q, expected one of %s", word, strings.Join(cli.CommandNames(c.App), ", "))
		},
	}
}
