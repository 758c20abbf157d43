package cli

import (
	"fmt"
	"io"
	"os"
	"sync/atomic"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"
	"golang.org/x/term"

	"github.com/repvit-go/repvit/internal/printable"
)

// Progress shows how far long work is: a bar with the time left on a terminal, elsewhere
// lines where they are asked for. It may be called from one goroutine at a time.
type Progress struct {
	w       io.Writer // nil for silence
	lines   bool
	percent int // of the stage, as it was said last
	stage   string
	detail  string       // what people call the stage
	label   atomic.Value // a string, behind the bar, which another goroutine draws
	stages  []Stage
	at      int           // in stages; -1 before the first
	display *mpb.Progress // nil when there is no bar
	bar     *mpb.Bar
}

// Stage is a part of work that is shown by one bar.
type Stage struct {
	Name  string // as Update gets it; a stage that comes again is listed again
	Shown string // what people read
	Share int    // of the time that the work takes, in any unit
}

// Of makes the bar one for work in several stages, which come in this order; some may not come at all.
func (p *Progress) Of(stages []Stage) *Progress {
	p.stages, p.at = stages, -1
	return p
}

// whole is how much of the total of all stages is done when done of total pieces of the current one are.
func (p *Progress) whole(done, total int) (sum, all int) {
	for i, s := range p.stages {
		if i < p.at {
			sum += scale * s.Share
		}
		all += scale * s.Share
	}
	if p.at >= 0 && total > 0 {
		sum += scale * p.stages[p.at].Share * min(done, total) / total
	}
	return sum, all
}

// scale is how finely a share is divided.
const scale = 1000

// enter goes on to the next stage of that name, and returns what people call it.
func (p *Progress) enter(stage string) string {
	for i := p.at + 1; i < len(p.stages); i++ {
		if p.stages[i].Name == stage {
			p.at = i
			return p.stages[i].Shown
		}
	}
	for _, s := range p.stages { // of a second network in the same file
		if s.Name == stage {
			return s.Shown
		}
	}
	return stage
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
	if p.stages != nil {
		p.updateWhole(stage, done, total)
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

// updateWhole is Update for one bar over all stages.
func (p *Progress) updateWhole(stage string, done, total int) {
	if p.at < 0 || p.stage != stage {
		p.stage, p.detail = stage, printable.Line(p.enter(stage))
	}
	label := p.detail
	if total > 1 {
		label += fmt.Sprintf(" %d/%d", done, total)
	}
	p.label.Store(label)
	sum, all := p.whole(done, total)
	if p.display == nil {
		p.display = mpb.New(output(p.w)...)
		p.bar = p.display.AddBar(int64(all), mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Percentage(decor.WCSyncSpaceR)),
			mpb.AppendDecorators(decor.AverageETA(decor.ET_STYLE_GO, decor.WCSyncSpaceR), decor.Any(func(decor.Statistics) string { return p.label.Load().(string) })))
	}
	p.bar.SetCurrent(int64(min(sum, all-1))) // a full bar would vanish before the work is done
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
