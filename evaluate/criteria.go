package evaluate

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/repvit-go/repvit/internal/finite"
)

// Criteria say what an evaluation, or a measurement of latency, must reach. Those that are nil
// are not asked for, and without any there is no verdict.
type Criteria struct {
	MinTop1      *float64 // least share of images with the right top-1, 0..1
	MaxDrop      *float64 // most that top-1 may be below the reference's, 0..1
	MinAgreement *float64 // least share of images with the reference's top-1, 0..1
	MinSQNR      *float64 // least signal-to-noise ratio against the reference, in dB
	MaxLatency   *float64 // most that one run may take, in ms
}

// ErrCriterion is wrapped by errors about criteria that can't be judged.
var ErrCriterion = errors.New("a criterion that can't be judged")

// Finding is what became of a criterion.
type Finding struct {
	Criterion string  // "min-top1", "max-drop", "min-agreement", "min-sqnr" or "max-ms"
	Found     float64 // in the criterion's unit
	Wanted    float64
	Met       bool
}

// MarshalJSON encodes f with null for a found number that is not finite.
func (f Finding) MarshalJSON() ([]byte, error) {
	return json.Marshal(struct {
		Criterion string   `json:"criterion"`
		Found     *float64 `json:"found"`
		Wanted    float64  `json:"wanted"`
		Met       bool     `json:"met"`
	}{f.Criterion, finite.OrNil(f.Found), f.Wanted, f.Met})
}

// String says what was found and what was wanted.
func (f Finding) String() string {
	show := func(x float64) string { return fmt.Sprintf("%.2f %%", 100*x) }
	switch f.Criterion {
	case "min-sqnr":
		show = func(x float64) string { return fmt.Sprintf("%.2f dB", x) }
	case "max-ms":
		show = func(x float64) string { return fmt.Sprintf("%.2f ms", x) }
	}
	bound := "at least"
	if f.Criterion[:3] == "max" {
		bound = "at most"
	}
	met := "met"
	if !f.Met {
		met = "not met"
	}
	return fmt.Sprintf("%s: found %s, wanted %s %s: %s", f.Criterion, show(f.Found), bound, show(f.Wanted), met)
}

// Met reports whether every criterion is met; without any it is false, because nothing was
// asked for.
func Met(findings []Finding) bool {
	for _, f := range findings {
		if !f.Met {
			return false
		}
	}
	return len(findings) > 0
}

// atLeast and atMost are false for numbers that are none.
func atLeast(name string, found, wanted float64) Finding {
	return Finding{name, found, wanted, found >= wanted}
}

func atMost(name string, found, wanted float64) Finding {
	return Finding{name, found, wanted, found <= wanted}
}

// Judge holds an evaluation against the criteria, but for that of latency. The error wraps
// [ErrCriterion] where one asks for what the evaluation did not measure.
func (c Criteria) Judge(e *Result) ([]Finding, error) {
	var all []Finding
	if c.MinTop1 != nil || c.MaxDrop != nil {
		if !e.Labelled {
			return nil, fmt.Errorf("%w: top-1 without labels", ErrCriterion)
		}
	}
	if c.MaxDrop != nil || c.MinAgreement != nil || c.MinSQNR != nil {
		if !e.Compared {
			return nil, fmt.Errorf("%w: agreement, SQNR or a drop without a reference", ErrCriterion)
		}
	}
	if c.MinTop1 != nil {
		all = append(all, atLeast("min-top1", e.Top1, *c.MinTop1))
	}
	if c.MaxDrop != nil {
		all = append(all, atMost("max-drop", e.Drop(), *c.MaxDrop))
	}
	if c.MinAgreement != nil {
		all = append(all, atLeast("min-agreement", e.Agree, *c.MinAgreement))
	}
	if c.MinSQNR != nil {
		all = append(all, atLeast("min-sqnr", e.SQNR, *c.MinSQNR))
	}
	return all, nil
}

// JudgeLatency holds the time of one run against the criterion for it, if there is one.
func (c Criteria) JudgeLatency(t time.Duration) []Finding {
	if c.MaxLatency == nil {
		return nil
	}
	return []Finding{atMost("max-ms", float64(t)/float64(time.Millisecond), *c.MaxLatency)}
}

// Drop is by how much top-1 is below the reference's, a share of the images; negative where
// it is above. It is a whole number of images divided by their number, so that a bound that
// was reached exactly is met.
func (e *Result) Drop() float64 {
	n := float64(e.Images)
	if n == 0 {
		return 0
	}
	return (math.Round(e.AgainstTop1*n) - math.Round(e.Top1*n)) / n
}
