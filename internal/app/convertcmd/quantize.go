package convertcmd

import (
	"fmt"

	"github.com/repvit-go/repvit/convert"
	"github.com/repvit-go/repvit/quant"
)

// warnings are what a person should know before trusting the figures.
func warnings(r *convert.Result) (all []string) {
	q := r.Quant
	if q.Verdict == quant.Unusable {
		all = append(all, q.String()+"; written because of --accept-loss")
	}
	switch q.Report.Calibration {
	case quant.NotNeeded:
		return all
	case quant.FromImages:
		if q.Samples < quant.FewSamples {
			count := fmt.Sprintf("%d images", q.Samples)
			if q.Samples == 1 {
				count = "1 image"
			}
			all = append(all, fmt.Sprintf("int8 was calibrated on %s only, and its loss measured on %d of them; give %d or more", count, q.HeldOut, quant.FewSamples))
		}
		return all
	case quant.FromBatchNorm:
		all = append(all, "int8 was calibrated without images: its ranges follow from the checkpoint's BatchNorm statistics, which costs accuracy, and its loss is an estimate; give some hundred images with --calib")
	default:
		all = append(all, "int8 was calibrated without images and without BatchNorm statistics, on made-up images alone, and its loss is an estimate; give some hundred images with --calib")
	}
	if d := q.Report.Doubt; d.Verdict() == quant.Unusable && q.Verdict != quant.Unusable {
		all = append(all, fmt.Sprintf("the estimates of int8's loss differ, the other is an SQNR of %.1f dB: perhaps the network was not trained for images of %d×%d", d.SQNR, r.Height, r.Width))
	}
	return all
}
