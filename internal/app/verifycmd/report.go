package verifycmd

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/repvit-go/repvit/evaluate"
	"github.com/repvit-go/repvit/internal/cli"
	"github.com/repvit-go/repvit/report"
	"github.com/repvit-go/repvit/verify"
)

func (n *network) rows() []report.Row {
	rows := []report.Row{
		{Name: "Model", Value: fmt.Sprintf("%s, %s, %.1f MB", n.Path, n.Format.Name, float64(n.Size)/1e6)},
		{Name: "Parameters", Value: fmt.Sprintf("%.2f M", float64(n.Graph.Parameters())/1e6)},
	}
	if n.session != nil {
		s := n.session.Stats()
		rows = append(rows, report.Row{Name: "Engine", Value: fmt.Sprintf("%s, %d threads", s.ISA, s.Threads)})
	} else {
		rows = append(rows, report.Row{Name: "Engine", Value: "reference, float64"})
	}
	return rows
}

func (cfg *config) newReport(title string) *report.Data {
	return &report.Data{Title: title, Command: cfg.program + " " + cli.CommandLine(os.Args[1:])}
}

// writeReport shows a comparison.
func (r *compared) writeReport(ctx context.Context, cfg *config) (err error) {
	n := r.network
	name, with := filepath.Base(n.Path), filepath.Base(r.with)
	d := cfg.newReport(name + " against " + with)
	d.Verdict = r.verdict()
	d.Summary = append(n.rows(), report.Row{Name: "Compared with", Value: r.with},
		report.Row{Name: "Relative error", Value: fmt.Sprintf("%.2g", r.RelL2)})
	if r.Top1Agree == r.Top1Agree {
		d.Summary = append(d.Summary, report.Row{Name: "Same top-1", Value: fmt.Sprintf("%.1f %%", 100*r.Top1Agree)})
	}
	for _, o := range r.Outputs {
		d.Summary = append(d.Summary, report.Row{Name: "Output " + o.Name, Value: fmt.Sprintf("largest difference %.2g, relative %.2g", o.MaxAbs, o.RelL2)})
	}
	if len(r.NotCompared) > 0 {
		d.Summary = append(d.Summary, report.Row{Name: "Not compared", Value: strings.Join(r.NotCompared, ", ")})
	}
	if n.session != nil {
		if d.Network, err = report.Profile(ctx, n.session, r.inputs[0]); err != nil {
			return err
		}
	}
	if r.other != nil {
		e, err := report.Compare(ctx, name+" against "+with, n.engine, r.other.engine, r.inputs[0])
		if err != nil {
			return err
		}
		e.Divergence = r.FirstDivergence
		d.Errors = []report.Errors{e}
		if d.Logits, err = report.CompareLogits(ctx, name, with, n.engine, r.other.engine, r.inputs[0]); err != nil {
			return err
		}
	}
	return cli.WriteReport(cfg.report, d)
}

func (r *compared) verdict() report.Verdict {
	if r.Verdict != "" {
		return report.Verdict{Outcome: report.OutcomeOf(r.Verdict), Text: strings.ToUpper(r.figures()[:1]) + r.figures()[1:] + "."}
	}
	if r.Equal {
		return report.Verdict{Outcome: report.Passed, Text: fmt.Sprintf("The outputs are equal: largest difference %.2g.", r.MaxAbs)}
	}
	text := fmt.Sprintf("The outputs differ by up to %.2g.", r.MaxAbs)
	if r.FirstDivergence != nil {
		text += " The first value that differs is " + r.FirstDivergence.Value + "."
	}
	return report.Verdict{Outcome: report.Failed, Text: text}
}

// reportImages shows an evaluation of one or several networks.
func reportImages(ctx context.Context, cfg *config, all []evaluated, against *network) error {
	first := all[0]
	d := cfg.newReport(fmt.Sprintf("%s on %d images", filepath.Base(first.network.Path), first.Images))
	d.Verdict = imagesVerdict(all, against)
	d.Summary = first.network.rows()
	if n := len(first.Broken); n > 0 {
		d.Summary = append(d.Summary, report.Row{Name: "Left out", Value: fmt.Sprintf("%d that cannot be decoded: %s", n, strings.Join(brokenLines(first.Broken), "; "))})
	}
	if len(all) == 1 {
		images, err := imagesSection(ctx, cfg, first, against)
		if err != nil {
			return err
		}
		d.Images = images
	} else {
		for _, r := range all {
			d.Runs = append(d.Runs, report.Run{Name: filepath.Base(r.network.Path), Bytes: r.network.Size, Latency: r.latency, Result: r.Result})
		}
	}
	return cli.WriteReport(cfg.report, d)
}

// imagesVerdict is one only where there were criteria.
func imagesVerdict(all []evaluated, against *network) report.Verdict {
	first := all[0]
	v := report.Verdict{Text: fmt.Sprintf("Evaluated %s.", imageCount(first.Images, first.Broken))}
	if first.Labelled {
		v.Text = fmt.Sprintf("Top-1 is %.2f %%, top-5 %.2f %% on %s.", 100*first.Top1, 100*first.Top5, imageCount(first.Images, first.Broken))
	}
	if first.Compared {
		v.Text += fmt.Sprintf(" It agrees with %s on %.2f %%.", filepath.Base(against.Path), 100*first.Agree)
	}
	for _, r := range all {
		for _, f := range r.Findings {
			text := f.String()
			if len(all) > 1 {
				text = filepath.Base(r.network.Path) + ", " + text
			}
			v.Text += " " + text + "."
		}
	}
	if judged, met := allMet(all); judged {
		v.Outcome = report.Failed
		if met {
			v.Outcome = report.Passed
		}
	}
	return v
}

// shownDisagreements bounds the images that a report shows.
const shownDisagreements = 24

func imagesSection(ctx context.Context, cfg *config, r evaluated, against *network) (*report.Images, error) {
	s := &report.Images{Result: r.Result, Labels: r.network.labels()}
	if !r.Compared {
		return s, nil
	}
	s.Against = filepath.Base(against.Path)
	for _, m := range r.Misses {
		if m.Top1 == m.Against || len(s.Disagreements) == shownDisagreements {
			continue
		}
		shown, err := disagreement(ctx, cfg, r.network, against, m)
		if err != nil {
			return nil, err
		}
		s.Disagreements = append(s.Disagreements, shown)
	}
	return s, nil
}

// disagreement runs an image once more for its thumbnail and the networks' scores.
func disagreement(ctx context.Context, cfg *config, n, against *network, m evaluate.Miss) (report.Disagreement, error) {
	d := report.Disagreement{Miss: m}
	img, err := cfg.open()(filepath.Join(cfg.images, m.File))
	if err != nil {
		return d, err
	}
	if d.Thumbnail, err = report.Thumbnail(img); err != nil {
		return d, err
	}
	for _, side := range []struct {
		n     *network
		class int
		score *float64
	}{{n, m.Top1, &d.Score}, {against, m.Against, &d.AgainstScore}} {
		p, err := side.n.images(cfg)
		if err != nil {
			return d, err
		}
		x, err := p.Tensor(img)
		if err != nil {
			return d, err
		}
		y, err := side.n.engine.Run(ctx, x)
		if err != nil {
			return d, err
		}
		if *side.score, err = verify.Probability(side.n.engine.Graph(), y, side.class); err != nil {
			return d, err
		}
	}
	return d, nil
}
