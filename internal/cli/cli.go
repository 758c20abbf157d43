// Package cli is what the project's commands have in common: flags in any order, exit
// statuses, one-line errors, progress on terminals.
package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"github.com/repvit-go/repvit/internal/load"
	"github.com/repvit-go/repvit/internal/notices"
	"github.com/repvit-go/repvit/internal/outfile"
	"github.com/repvit-go/repvit/internal/panics"
	"github.com/repvit-go/repvit/internal/printable"
)

// Exit statuses.
const (
	StatusOK     = 0 // done, or outputs are equal
	StatusFailed = 1 // the work failed, or outputs differ
	StatusUsage  = 2 // wrong usage
)

// ErrDiffers ends a command whose outputs differ with [StatusFailed] and no message: what
// differs was printed already.
var ErrDiffers = errors.New("outputs differ")

// usageError is an error that the caller of a command made.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usagef returns an error that ends the command with [StatusUsage].
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// patience is how long interrupted work may take to notice.
const patience = 3 * time.Second

// Run executes a command and returns its exit status. SIGINT and SIGTERM cancel the
// command's context. A second one ends the process at once, and so does work that waits
// where nothing can wake it, such as for the reader of a pipe.
func Run(app *cli.App, args []string) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	context.AfterFunc(ctx, func() {
		stop()
		time.Sleep(patience)
		fmt.Fprintf(os.Stderr, "%s: %s\n", app.Name, printable.Line(interrupted()))
		os.Exit(StatusFailed)
	})
	return run(ctx, app, args)
}

// shownOutputs is how many files an interrupted command names.
const shownOutputs = 3

// interrupted says what an interrupted command has written.
func interrupted() string {
	done := outfile.Finished()
	n := len(done)
	if n == 0 {
		return "interrupted; nothing was written"
	}
	text := "interrupted; written before: " + strings.Join(done[:min(n, shownOutputs)], ", ")
	if n > shownOutputs {
		text += fmt.Sprintf(" and %d more", n-shownOutputs)
	}
	return text + "; nothing else was written"
}

func run(ctx context.Context, app *cli.App, args []string) (status int) {
	app.Writer, app.ErrWriter = text(app.Writer, os.Stdout), text(app.ErrWriter, os.Stderr)
	app.HideHelpCommand = true
	app.Commands = append(app.Commands, completionCommand(app), licensesCommand(app))
	app.ExitErrHandler = func(*cli.Context, error) {}
	onUsage := func(_ *cli.Context, err error, _ bool) error { return usageError{err} }
	app.OnUsageError = onUsage
	for _, c := range app.Commands {
		c.OnUsageError = onUsage
		c.HideHelpCommand = true
		if c.UsageText == "" {
			c.UsageText = app.Name + " " + c.Name + " [flags] " + c.ArgsUsage
		}
	}
	for _, f := range slices.Concat(app.Flags, commandFlags(app)) {
		if b, ok := f.(*cli.BoolFlag); ok {
			b.DisableDefaultText = true // "(default: false)"
		}
	}
	if n := len(args); n > 1 && args[n-1] == completionFlag {
		if err := writeCompletions(app.Writer, app, args[1:n-1]); err != nil {
			return StatusFailed
		}
		return StatusOK
	}
	ordered, err := order(app, args)
	help := helpOf(app, ordered) // the app gets flags of its own when it runs
	if err == nil {
		err = execute(ctx, app, ordered)
	}
	if err == nil {
		return StatusOK
	}
	status = StatusFailed
	var usage usageError
	switch {
	case errors.Is(err, ErrDiffers):
		return StatusFailed
	case errors.As(err, &usage):
		status = StatusUsage
		err = fmt.Errorf("%w (see %s --help)", err, help)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		err = errors.New(interrupted())
	}
	fmt.Fprintf(app.ErrWriter, "%s: %s\n", app.Name, printable.Line(err.Error()))
	return status
}

// helpOf returns what to ask for help: where the program has no flags of its own, the command.
func helpOf(app *cli.App, args []string) string {
	if len(app.Flags) == 0 && len(args) > 1 {
		if c := app.Command(args[1]); c != nil {
			return app.Name + " " + c.Name
		}
	}
	return app.Name
}

// errDefect marks a panic.
var errDefect = errors.New("a defect of this program; please report it with the file that shows it, see https://github.com/repvit-go/repvit/issues")

// execute runs the command. A panic becomes an error.
func execute(ctx context.Context, app *cli.App, args []string) (err error) {
	defer panics.Catch(&err, errDefect)
	return app.RunContext(ctx, args)
}

// text is where a command prints: names that come out of files never speak to a terminal.
func text(w io.Writer, standard *os.File) io.Writer {
	if w == nil {
		w = standard
	}
	return printable.NewWriter(w)
}

// order moves flags in front of positional arguments, where urfave/cli expects them, and
// a subcommand's name in front of everything: "MODEL -o x" and "-q run MODEL" work as
// people type them. "--" ends flags.
func order(app *cli.App, args []string) ([]string, error) {
	if len(args) == 0 {
		return args, nil
	}
	values := map[string]bool{}    // flags that take a value
	aliases := map[string]string{} // to the name that urfave/cli is told, so that "-q --quiet" is one flag
	collect := func(flags []cli.Flag) {
		for _, f := range flags {
			_, isBool := f.(*cli.BoolFlag)
			for _, n := range f.Names() {
				values[n] = !isBool
				aliases[n] = f.Names()[0]
			}
		}
	}
	collect(app.Flags)
	for _, c := range app.Commands {
		collect(c.Flags)
	}
	var flags, rest []string
	for i := 1; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			rest = append(rest, args[i+1:]...)
			break
		}
		if len(a) < 2 || a[0] != '-' {
			rest = append(rest, a)
			continue
		}
		name, value, hasValue := strings.Cut(strings.TrimLeft(a, "-"), "=")
		if known, ok := aliases[name]; ok {
			a = "--" + known
			if hasValue {
				a += "=" + value
			}
		}
		flags = append(flags, a)
		if hasValue || !values[name] {
			continue
		}
		if i+1 == len(args) {
			return nil, Usagef("flag %s needs a value", args[i])
		}
		i++
		flags = append(flags, args[i])
	}
	out := []string{args[0]}
	if len(rest) > 0 {
		if c := app.Command(rest[0]); c != nil {
			out, rest = append(out, rest[0]), rest[1:]
		}
	}
	out = append(out, flags...)
	return append(append(out, "--"), rest...), nil
}

// licensesCommand prints the licences of what the program contains.
func licensesCommand(app *cli.App) *cli.Command {
	return &cli.Command{
		Name:      "licenses",
		Usage:     "print the licences of all that this program contains",
		UsageText: app.Name + " licenses",
		Action: func(c *cli.Context) error {
			_, err := io.WriteString(c.App.Writer, notices.Text)
			return err
		},
	}
}

// PrintJSON writes one JSON object and a newline.
func PrintJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// Version is that of the module, "(devel)" for a build from a checkout.
func Version() string { return load.Version() }
