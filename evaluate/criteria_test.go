package evaluate

import (
	"encoding/json"
	"errors"
	"math"
	"testing"
	"time"
)

func TestCriteria(t *testing.T) {
	of := func(x float64) *float64 { return &x }
	full := Result{Images: 1000, Top1: 0.894, AgainstTop1: 0.904, Labelled: true, Agree: 0.93, SQNR: 20, Compared: true}
	for name, c := range map[string]struct {
		c     Criteria
		e     Result
		met   bool
		found float64
		text  string
	}{
		"reached exactly":   {Criteria{MinTop1: of(0.894)}, full, true, 0.894, "min-top1: found 89.40 %, wanted at least 89.40 %: met"},
		"missed by one":     {Criteria{MinTop1: of(0.895)}, full, false, 0.894, "min-top1: found 89.40 %, wanted at least 89.50 %: not met"},
		"nothing right":     {Criteria{MinTop1: of(0.001)}, Result{Images: 10, Labelled: true}, false, 0, "min-top1: found 0.00 %, wanted at least 0.10 %: not met"},
		"drop exactly":      {Criteria{MaxDrop: of(0.01)}, full, true, 0.01, "max-drop: found 1.00 %, wanted at most 1.00 %: met"},
		"dropped too far":   {Criteria{MaxDrop: of(0.0099)}, full, false, 0.01, "max-drop: found 1.00 %, wanted at most 0.99 %: not met"},
		"better":            {Criteria{MaxDrop: of(0)}, Result{Images: 10, Top1: 0.8, AgainstTop1: 0.7, Labelled: true, Compared: true}, true, -0.1, "max-drop: found -10.00 %, wanted at most 0.00 %: met"},
		"agreement":         {Criteria{MinAgreement: of(0.93)}, full, true, 0.93, "min-agreement: found 93.00 %, wanted at least 93.00 %: met"},
		"agreement, missed": {Criteria{MinAgreement: of(0.931)}, full, false, 0.93, "min-agreement: found 93.00 %, wanted at least 93.10 %: not met"},
		"ratio":             {Criteria{MinSQNR: of(20)}, full, true, 20, "min-sqnr: found 20.00 dB, wanted at least 20.00 dB: met"},
		"ratio, missed":     {Criteria{MinSQNR: of(20.1)}, full, false, 20, "min-sqnr: found 20.00 dB, wanted at least 20.10 dB: not met"},
		"no difference":     {Criteria{MinSQNR: of(20)}, Result{Images: 1, Compared: true, SQNR: inf}, true, inf, "min-sqnr: found +Inf dB, wanted at least 20.00 dB: met"},
		"not a number":      {Criteria{MinSQNR: of(20)}, Result{Images: 1, Compared: true, SQNR: nan}, false, nan, "min-sqnr: found NaN dB, wanted at least 20.00 dB: not met"},
	} {
		got, err := c.c.Judge(&c.e)
		if err != nil || len(got) != 1 {
			t.Fatalf("%s: %v, %v", name, got, err)
		}
		if f := got[0]; f.Met != c.met || f.Found != c.found && !math.IsNaN(c.found) || f.String() != c.text || Met(got) != c.met {
			t.Errorf("%s: %+v %q, want %v, %v, %q", name, f, f, c.found, c.met, c.text)
		}
	}
	all := Criteria{of(0.8), of(0.02), of(0.9), of(10), of(5)}
	if got, err := all.Judge(&full); err != nil || len(got) != 4 || !Met(got) {
		t.Errorf("all: %v, %v", got, err)
	}
	if got := all.JudgeLatency(5 * time.Millisecond); len(got) != 1 || !Met(got) || got[0].Found != 5 {
		t.Errorf("latency: %v", got)
	}
	if got := all.JudgeLatency(5*time.Millisecond + 1); Met(got) {
		t.Errorf("latency: %v", got)
	}
	if got := (Criteria{}).JudgeLatency(time.Second); got != nil {
		t.Errorf("no criterion: %v", got)
	}
	if got, err := (Criteria{}).Judge(&Result{}); got != nil || err != nil || Met(got) {
		t.Errorf("no criterion: %v, %v", got, err)
	}
	for name, c := range map[string]Criteria{
		"top-1": {MinTop1: of(0)}, "drop": {MaxDrop: of(0)}, "agreement": {MinAgreement: of(0)}, "ratio": {MinSQNR: of(0)},
	} {
		if _, err := c.Judge(&Result{Images: 1}); !errors.Is(err, ErrCriterion) {
			t.Errorf("%s of what was not measured: %v", name, err)
		}
	}
	text, err := json.Marshal([]Finding{{"min-sqnr", inf, 20, true}, {"max-ms", 2.5, 2, false}})
	if want := `[{"criterion":"min-sqnr","found":null,"wanted":20,"met":true},{"criterion":"max-ms","found":2.5,"wanted":2,"met":false}]`; err != nil || string(text) != want {
		t.Errorf("%s, %v", text, err)
	}
}

var inf, nan = math.Inf(1), math.NaN()
