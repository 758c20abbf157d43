package main

import (
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what Prometheus is told.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	seconds  *prometheus.HistogramVec
	running  prometheus.Histogram
}

// buckets are upper bounds of times in seconds, from a fast network on one core to the
// default timeout.
var buckets = []float64{.0025, .005, .01, .02, .04, .08, .16, .32, .64, 1.28, 2.56, 5.12, 10.24}

func newMetrics(s *service) *metrics {
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "repvit_requests_total", Help: "Requests to classify, by status."}, []string{"code"}),
		seconds: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "repvit_request_seconds", Help: "From the request's header to its answer, waiting included.", Buckets: buckets}, []string{"code"}),
		running: prometheus.NewHistogram(prometheus.HistogramOpts{
			Name: "repvit_inference_seconds", Help: "Preprocessing and network.", Buckets: buckets}),
	}
	m.registry.MustRegister(m.requests, m.seconds, m.running,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "repvit_requests_in_flight", Help: "Requests that hold a place, waiting or running."}, func() float64 { return float64(len(s.places)) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "repvit_body_bytes", Help: "Memory of bodies, whole or still arriving."}, func() float64 { return float64(s.bodies.Load()) }),
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{
			Name: "repvit_inferences_in_flight", Help: "Images that are being decoded and classified."}, func() float64 { return float64(len(s.slots)) }),
		collectors.NewGoCollector(),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

// instrument counts and times the requests to a handler.
func (m *metrics) instrument(next http.Handler) http.Handler {
	return promhttp.InstrumentHandlerDuration(m.seconds, promhttp.InstrumentHandlerCounter(m.requests, next))
}

// inference notes a run that began at start.
func (m *metrics) inference(start time.Time) { m.running.Observe(time.Since(start).Seconds()) }

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}
