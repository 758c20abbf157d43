// Package verify compares networks: their logits and every intermediate value.
//
// What runs a network is an [Engine]: a session of package infer, or a network of package
// verify/reference, which computes in float64 and is the truth that others are measured
// against. [Check] is the whole of a comparison: it runs two engines on one input,
// compares what comes out, and where that differs names the first intermediate value that
// does. Every conversion runs it with the training and the deploy form of a network
// before its output file gets its name.
//
// # Rules
//
// Two numbers are equal under a [Tolerance] if
//
//	|got − want| ≤ Abs + Rel·|want|
//
// which is NumPy's allclose. In a Scaled one, which the defaults are, Abs is multiplied by the
// largest magnitude wanted where that is more than 1. [ToleranceFor] returns what a network's
// precision allows; what int8 rounds is judged as package quant judges it, by SQNR and top-1.
// Infinities of one sign are equal. NaN is equal to nothing,
// NaN included: logits that are not numbers prove nothing. The distance to NaN counts as
// infinite. Between two networks, outputs with infinities are not equal either: where values
// leave the range of the numbers, what is computed behind them is no evidence.
//
// An intermediate value diverges under a Tolerance if
//
//	max |a − b| > (Abs + Rel) · scale
//
// where scale is the largest magnitude in b, or a thousandth of the largest magnitude in
// anything that b's network has computed up to there if that is more. It is the rule
// above for a value divided by its scale: float32 against float64 stays orders of
// magnitude below it, and wrong weights stand out at the first value that they touch. A
// value much smaller than those it was computed from carries their rounding errors;
// hence the thousandth.
//
// The top-1 class of a row of logits is the largest; among equals the lowest index; NaN
// comes after every number. A row of nothing but NaN has no top-1 and agrees with none.
// A class is in the top 5 if fewer than five stand before it in that order.
//
// The signal-to-quantization-noise ratio is, in decibels,
//
//	SQNR = 10·log₁₀( Σy² / Σ(y−ŷ)² )
//
// over all elements, y from the reference; infinite where nothing differs.
//
// Several outputs are compared one by one; the figures of a [Comparison] are the worst.
//
// # JSON
//
// Results marshal as the commands print them. JSON has no infinity and no NaN: a number
// that is not finite, or that was not measured, is null.
//
// # Errors
//
// Errors wrap [graph.ErrShape] where inputs or outputs do not fit each other, [ErrAmbiguous] and
// [ErrOutput] of this package, and those of the packages that read files, which they name.
//
// # Stability
//
// Operators and fields are added with minor versions. What changes beyond that, the changelog says.
package verify
