package cli

import (
	"fmt"
	"io"
	"os"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/repvit-go/repvit/internal/printable"
)

// Progress shows how far long work is: a bar with rate and time left on a terminal, elsewhere
// lines where they are asked for. It may be called from one goroutine at a time.
type Progress struct {
	w       io.Writer // nil for silence
	lines   bool
	percent int // of the stage, as it was said last
	stage   string
	display *mpb.Progress // nil between stages
	bar     *mpb.Bar
}

// NewProgress returns a progress display on w. Without lines, which [ProgressFlag] asks for, it
// stays silent where quiet is set or w is not a terminal.
func NewProgress(w io.Writer, quiet, lines bool) *Progress {
	if t, ok := w.(*printable.Writer); ok {
		w = t.Unwrap() // a bar moves the cursor
	}
	if terminal := IsTerminal(w); lines || terminal && !quiet {
		return &Progress{w: w, lines: !terminal}
	}
	return &Progress{}
}

// Update says that done of total pieces of a stage's work are done.
func (p *Progress) Update(stage string, done, total int) {
	switch {
	case p.w == nil:
		return
	case p.lines:
		if percent := 100 * done / max(total, 1); p.stage != stage || p.percent != percent {
			p.stage, p.percent = stage, percent
			fmt.Fprintf(p.w, "progress: %s %d/%d\n", printable.Line(stage), done, total)
		}
		return
	}
	if p.display == nil || p.stage != stage {
		p.Done()
		p.stage = stage
		p.display = mpb.New(output(p.w)...)
		p.bar = p.display.AddBar(int64(total), mpb.BarRemoveOnComplete(),
			mpb.PrependDecorators(decor.Name(printable.Line(stage), decor.WCSyncSpaceR), decor.CountersNoUnit("%d/%d")),
			mpb.AppendDecorators(decor.AverageSpeed(0, "%.0f/s"), decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpace)))
	}
	p.bar.SetCurrent(int64(done))
}

// output is where a display goes. Terminals on serial lines and in containers may say that
// they have no rows, on which nothing would be shown; behind a plain writer they are taken to
// have some.
func output(w io.Writer) []mpb.ContainerOption {
	if f, ok := w.(*os.File); ok {
		if width, height, err := term.GetSize(int(f.Fd())); err != nil || width < 1 || height < 1 {
			return []mpb.ContainerOption{mpb.WithOutput(struct{ io.Writer }{w}), mpb.ForceTTY(), mpb.WithAutoRefresh()}
		}
	}
	return []mpb.ContainerOption{mpb.WithOutput(w)}
}

// Done removes the bar.
func (p *Progress) Done() {
	if p.display != nil {
		p.bar.Abort(true)
		p.display.Wait()
		p.display, p.bar = nil, nil
	}
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
