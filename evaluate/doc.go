// Package evaluate measures what networks answer for a folder of images: how often they are
// right, and how often two of them agree. [Run] does it; [Accuracy] and [Agreement] are what it
// counts with.
//
// Top-1, top 5 and SQNR are as package verify defines them.
//
// Classes come from a labels file ([ParseLabels]) or from folders ([ClassFolders]). Images that
// cannot be decoded are left out and listed as [Broken], unless Strict asks for an error.
//
// # Segmentation and detection
//
// [RunSegmentation] holds the classes of pixels against label images: [Segmentation] is one
// confusion matrix over all of them. [RunDetection] holds boxes and masks against COCO's
// [Annotations]: [AveragePrecision] computes the figures of pycocotools, whose only difference is
// that a match with an annotation of id 0 counts here. [Segmenter] and [Detector] make of an engine
// what they run.
//
// # Criteria
//
// A [Result] or a latency has no verdict by itself. [Criteria] give it one: each found number
// is held against one that is wanted, and what was reached exactly is met.
//
// # JSON
//
// Results marshal as the commands print them. A number that is not finite, or that was not
// measured, is null.
//
// # Errors
//
// Errors wrap [ErrLabels], [ErrAnnotations], [ErrCriterion] or [graph.ErrShape] where the networks do not fit the
// images or each other, and those of the packages that read files, which they name.
//
// # Stability
//
// The package is young: names and fields may change with a minor version, and the changelog
// says so.
package evaluate
