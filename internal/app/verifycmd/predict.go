package verifycmd

import (
	"slices"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/internal/cli"
)

// predictCommand shows what networks see in an image.
func predictCommand() *urfave.Command {
	return &urfave.Command{Name: "predict", Usage: "segment what a prompt on an image points at", ArgsUsage: "ENCODER DECODER IMAGE", Flags: slices.Concat([]urfave.Flag{
		&urfave.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the mask to `FILE`.png, as large as the image"},
	}, promptFlags(), cli.EngineFlags(), cli.OutputFlags()), Action: action(predict)}
}

func predict(c *urfave.Context, cfg *config) error {
	args := c.Args().Slice()
	if len(args) != 3 {
		return cli.Usagef("found %d files, expected an encoder, a decoder and an image", len(args))
	}
	return predictSAM(c, cfg, args[0], args[1], args[2])
}
