// Package cli is what the project's commands have in common: flags in any order, exit
// statuses, one-line errors, progress on terminals.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"os/signal"
	"slices"
	"strings"
	"sync/atomic"
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
	StatusOK      = 0   // done, or outputs are equal
	StatusDiffers = 1   // outputs differ, or a criterion is missed
	StatusUsage   = 2   // wrong usage
	StatusFailed  = 3   // the work could not be done; see [Failure]
	statusSignal  = 128 // and the signal's number: interrupted
)

// Failure is the key of an app's metadata for the status of work that could not be done, where
// that is not [StatusFailed]: the two programs that are older than the distinction end with
// [StatusDiffers].
const Failure = "failure"

func failure(app *cli.App) int {
	if status, ok := app.Metadata[Failure].(int); ok {
		return status
	}
	return StatusFailed
}

// ErrDiffers ends a command whose outputs differ with [StatusDiffers] and no message: what
// differs was printed already.
var ErrDiffers = errors.New("outputs differ")

// missedError is an error about outputs that differ or a criterion that is missed.
type missedError struct{ error }

func (e missedError) Unwrap() error { return e.error }

// Missed makes an error end the command with [StatusDiffers] and its message.
func Missed(err error) error { return missedError{err} }

// usageError is an error that the caller of a command made.
type usageError struct{ error }

func (e usageError) Unwrap() error { return e.error }

// Usagef returns an error that ends the command with [StatusUsage].
func Usagef(format string, args ...any) error { return usageError{fmt.Errorf(format, args...)} }

// patience is how long interrupted work may take to notice.
const patience = 3 * time.Second

// Run executes a command and returns its exit status. SIGINT and SIGTERM cancel the
// command's context. A second one ends the process at once, and so does work that waits
// where nothing can wake it, such as for the reader of a pipe, unless it is [Patient].
func Run(app *cli.App, args []string) int {
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	patient := new(atomic.Bool)
	ctx = context.WithValue(ctx, patientKey{}, patient)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		stop := stopped{<-signals}
		signal.Stop(signals)
		cancel(stop)
		time.Sleep(patience)
		if !patient.Load() {
			fmt.Fprintf(os.Stderr, "%s: %s\n", app.Name, printable.Line(interrupted()))
			os.Exit(stop.status())
		}
	}()
	return run(ctx, app, args)
}

type patientKey struct{}

// Patient says that the command's work ends in its own time after a signal: a server answers
// first.
func Patient(ctx context.Context) {
	if p, ok := ctx.Value(patientKey{}).(*atomic.Bool); ok {
		p.Store(true)
	}
}

// stopped is why a context was cancelled.
type stopped struct{ signal os.Signal }

func (s stopped) Error() string { return s.signal.String() }

// status is the one that shells give a process that the signal ends.
func (s stopped) status() int {
	n, _ := s.signal.(syscall.Signal)
	return statusSignal + int(n)
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

func run(ctx context.Context, app *cli.App, args []string) int {
	out := &standard{w: app.Writer}
	if out.w == nil {
		out.w = os.Stdout
	}
	if app.ErrWriter == nil {
		app.ErrWriter = os.Stderr
	}
	// Names that come out of files never speak to a terminal.
	app.Writer, app.ErrWriter = printable.NewWriter(out), printable.NewWriter(app.ErrWriter)
	app.HideHelpCommand = true
	app.Commands = append(app.Commands, completionCommand(app), licensesCommand(app))
	app.ExitErrHandler = func(*cli.Context, error) {}
	onUsage := func(flags []cli.Flag) cli.OnUsageErrorFunc {
		return func(_ *cli.Context, err error, _ bool) error { return usageError{unknownFlag(app, flags, err)} }
	}
	app.OnUsageError = onUsage(app.Flags)
	for _, c := range app.Commands {
		c.OnUsageError = onUsage(c.Flags)
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
			return failure(app)
		}
		return StatusOK
	}
	ordered, err := order(app, args)
	help := helpOf(app, ordered) // the app gets flags of its own when it runs
	if err == nil {
		err = execute(ctx, app, ordered)
	}
	if out.err != nil && (err == nil || errors.Is(err, ErrDiffers)) {
		err = out.err
	}
	if err == nil {
		return StatusOK
	}
	if errors.Is(err, ErrDiffers) {
		return StatusDiffers
	}
	err = fileFirst(err)
	status, kind := failure(app), "failed"
	var usage usageError
	switch {
	case errors.As(err, &usage):
		status, kind = StatusUsage, "usage"
		err = fmt.Errorf("%w (see %s --help)", suggestValue(app, err), help)
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		status, kind = stopped{os.Interrupt}.status(), "interrupted"
		if s, ok := context.Cause(ctx).(stopped); ok {
			status = s.status()
		}
		err = errors.New(interrupted())
	case errors.As(err, new(missedError)):
		status, kind = StatusDiffers, "missed"
	}
	if !out.written && asksJSON(args) {
		_ = PrintResults[any](app.Writer, nil, []Problem{problem(err, kind, args)}) // the line below says it as well
	}
	fmt.Fprintf(app.ErrWriter, "%s: %s\n", app.Name, printable.Line(err.Error()))
	return status
}

// standard is standard output, which remembers that it failed: a full disk is no success.
type standard struct {
	w       io.Writer
	written bool
	err     error
}

func (o *standard) Write(p []byte) (int, error) {
	n, err := o.w.Write(p)
	o.written = o.written || n > 0
	if err != nil {
		o.err = fmt.Errorf("standard output: %w", err)
		return n, o.err
	}
	return n, nil
}

// fileFirst makes an error of the file system begin with the file, as all others do.
func fileFirst(err error) error {
	if e, ok := err.(*fs.PathError); ok {
		return fmt.Errorf("%s: %w", e.Path, e.Err)
	}
	return err
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
	if len(rest) > 0 && app.Command(rest[0]) != nil {
		out, rest = append(out, rest[0]), rest[1:]
	} else if err := unknownWord(app, rest); err != nil {
		return nil, err
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

// Version is that of the module, "(devel)" for a build from a checkout.
func Version() string { return load.Version() }
