package cli

import (
	"io"
	"os"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"
)

// Progress shows how far long work is: a bar with rate and time left, on a terminal only.
// It may be called from one goroutine at a time.
type Progress struct {
	w     io.Writer // nil for silence
	stage string
	bar   *progressbar.ProgressBar
}

// NewProgress returns a progress display on w, which stays silent where quiet is set or w
// is not a terminal.
func NewProgress(w io.Writer, quiet bool) *Progress {
	if quiet || !IsTerminal(w) {
		return &Progress{}
	}
	return &Progress{w: w}
}

// Update says that done of total pieces of a stage's work are done.
func (p *Progress) Update(stage string, done, total int) {
	if p.w == nil {
		return
	}
	if p.bar == nil || p.stage != stage {
		p.Done()
		p.stage = stage
		p.bar = progressbar.NewOptions(total, progressbar.OptionSetWriter(p.w), progressbar.OptionSetDescription(stage),
			progressbar.OptionShowCount(), progressbar.OptionShowIts(), progressbar.OptionSetPredictTime(true),
			progressbar.OptionThrottle(100*time.Millisecond), progressbar.OptionFullWidth(), progressbar.OptionClearOnFinish())
	}
	_ = p.bar.Set(done)
}

// Done removes the bar.
func (p *Progress) Done() {
	if p.bar != nil {
		_ = p.bar.Clear()
		p.bar = nil
	}
}

// IsTerminal reports whether w is a terminal.
func IsTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}
