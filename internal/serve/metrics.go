package serve

import (
	"fmt"
	"io"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// meters are what Prometheus is told.
type meters struct {
	set             *metrics.Set
	running         *metrics.PrometheusHistogram
	loads, failures *metrics.Counter
}

// buckets are upper bounds of times in seconds, from a fast network on one core to the
// default timeout.
var buckets = []float64{.0025, .005, .01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24}

func newMeters(s *service) *meters {
	set := metrics.NewSet()
	gauge := func(name string, f func() float64) { set.NewGauge(name, f) }
	gauge("repvit_requests_in_flight", func() float64 { return float64(len(s.places) + len(s.clicks.places)) })
	gauge("repvit_body_bytes", func() float64 { return float64(s.bodies.Load()) })
	gauge("repvit_inferences_in_flight", func() float64 { return float64(len(s.slots) + len(s.clicks.slots)) })
	gauge("repvit_images", func() float64 { return float64(s.photos.Len()) })
	gauge("repvit_image_bytes", func() float64 { return float64(int64(s.photos.Len()) * s.model.Load().embedding) })
	gauge("repvit_model_loaded_timestamp_seconds", func() float64 { return float64(s.model.Load().info.Loaded.Unix()) })
	return &meters{
		set:      set,
		running:  set.NewPrometheusHistogramExt("repvit_inference_seconds", buckets),
		loads:    set.NewCounter("repvit_model_loads_total"),
		failures: set.NewCounter("repvit_model_load_failures_total"),
	}
}

// request counts and times an answer.
func (m *meters) request(status int, d time.Duration) {
	label := fmt.Sprintf(`{code="%d"}`, status)
	m.set.GetOrCreateCounter("repvit_requests_total" + label).Inc()
	m.set.GetOrCreatePrometheusHistogramExt("repvit_request_seconds"+label, buckets).Update(d.Seconds())
}

// inference notes a run that began at start.
func (m *meters) inference(start time.Time) { m.running.Update(time.Since(start).Seconds()) }

func (m *meters) write(w io.Writer) {
	m.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}
