// Command server classifies images over HTTP with the engine in its own process.
//
//	server -model m1.safetensors -addr :8080
//
//	POST /classify?k=5   a PNG or JPEG as the body; the k most probable classes as JSON
//	GET  /healthz        200 while the process lives
//	GET  /readyz         200 while it takes requests, 503 once it is shutting down
//	GET  /metrics        Prometheus
//
// # Limits
//
// A request holds one of -concurrency + -queue places from before its body is read until it
// is answered; without a free one it is refused at once with 503 and Retry-After. At most
// -concurrency images are decoded and classified at a time. So memory is bounded by the
// flags: places × -max-bytes for bodies, and for each of the -concurrency runs the decoded
// image, 4 bytes for each of -max-pixels (8 for 16-bit PNG), and one arena of the engine.
//
// A request that takes longer than -timeout, waiting included, is answered with 504, or with
// 408 where it is the body that did not arrive.
//
// # Shutting down
//
// On SIGTERM or SIGINT, /readyz fails, so that a load balancer looks elsewhere. After
// -drain-delay the listener closes, and answers ask clients to close their connections.
// Requests over connections that were accepted are answered before the process ends, for up
// to -drain-timeout.
package main
