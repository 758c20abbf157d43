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
// Bodies take memory as their bytes arrive, all together at most -max-bodies. A request whose
// body is here holds one of -concurrency + -queue places until it is answered; clients that
// send slowly hold none. Without memory or a place a request is refused at once with 503 and
// Retry-After. At most -concurrency images are decoded and classified at a time.
//
// So memory is bounded by the flags: -max-bodies; for each of the -concurrency runs 16 bytes
// for each of -max-pixels, which is what a progressive JPEG or an interlaced PNG of 16 bits
// needs while it is decoded, and one arena of the engine; the weights; and 64 MiB. The garbage
// collector gets the sum as its limit, unless GOMEMLIMIT is set. With the defaults on two
// cores and M0.9 that is 1.2 GiB; under the worst images that fit, six clients at a time, the
// process was measured to take 1.3 to 1.4 GiB, and with photos of 640×480 53 MiB. Where
// photos of 8 megapixels are enough, -max-pixels 8388608 saves 0.75 GiB.
//
// A request that takes longer than -timeout, waiting included, is answered with 504, or with
// 408 where it is the body that did not arrive. Decoding ends then, too, and when the client
// goes away.
//
// # Shutting down
//
// On SIGTERM or SIGINT, /readyz fails, so that a load balancer looks elsewhere. After
// -drain-delay the listener closes, and answers ask clients to close their connections.
// Requests over connections that were accepted are answered before the process ends, for up
// to -drain-timeout.
package main
