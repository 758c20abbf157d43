package verifycmd

import (
	"fmt"
	"io"
	"os"
	"unicode/utf8"

	urfave "github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/internal/images"
	"github.com/repvit-go/repvit/internal/printable"
	"github.com/repvit-go/repvit/internal/seen"
)

// classified is what a classifier says of an image, as JSON.
type classified struct {
	File string `json:"file"`
	seen.Classes
}

// classify is the command: it says what is on images, each for itself. One that can't be decoded
// does not stop the others.
func classify(c *urfave.Context, cfg *config) error {
	args := c.Args().Slice()
	if len(args) < 2 {
		return cli.Usagef("classify takes a model and images or folders of them; found %d file", len(args))
	}
	n, err := openNetwork(cfg, args[0])
	if err != nil {
		return err
	}
	defer n.Close()
	if _, whole := n.Fit(); whole {
		return fmt.Errorf("%s: found a network that sees whole images, expected a classifier; predict shows what it sees", n.Path)
	}
	files, err := imagesOf(args[1:])
	if err != nil {
		return err
	}
	if err := n.start(cfg, nil); err != nil {
		return err
	}
	see, close, err := n.classifier(cfg, c.Int("top"))
	if err != nil {
		return err
	}
	defer close()
	open, width := cfg.open(), 0 // of the names, where there are several
	if len(files) > 1 {
		for _, f := range files {
			width = max(width, utf8.RuneCountInString(printable.Line(f)))
		}
	}
	progress := cli.NewProgress(c.App.ErrWriter, cfg.quiet || !cfg.json, false) // else the classes show it
	defer progress.Done()
	all, failed := []classified{}, cli.NewFailures(c, "images", len(files))
	for i, file := range files {
		r := classified{File: file}
		img, err := open(file)
		if err == nil {
			if r.Classes, err = see(c.Context, img); err != nil {
				err = fmt.Errorf("%s: %s: %w", n.Path, file, err)
			}
		}
		progress.Update("classify", i+1, len(files))
		switch {
		case err != nil:
			if err := failed.Add(file, err); err != nil {
				return err
			}
		case cfg.json:
			all = append(all, r)
		case !cfg.quiet:
			if err := r.print(c.App.Writer, width); err != nil {
				return err
			}
		}
	}
	progress.Done()
	if cfg.json {
		if err := cli.PrintResults(c.App.Writer, all, failed.Problems); err != nil {
			return err
		}
	}
	return failed.Err()
}

// print writes a line for each class, behind the image's name where names have a width.
func (r classified) print(w io.Writer, width int) error {
	if width == 0 {
		return r.Print(w)
	}
	name := printable.Line(r.File)
	for _, class := range r.Classes.Classes {
		if _, err := fmt.Fprintf(w, "%-*s %s\n", width, name, class.Line()); err != nil {
			return err
		}
		name = ""
	}
	return nil
}

// imagesOf replaces folders by the images in them.
func imagesOf(args []string) (files []string, err error) {
	for _, a := range args {
		info, err := os.Stat(a)
		if err != nil || !info.IsDir() {
			files = append(files, a) // whoever reads it says what is wrong
			continue
		}
		inside, err := images.List(a)
		if err != nil {
			return nil, err
		}
		files = append(files, inside...)
	}
	return files, nil
}
