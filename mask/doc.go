// Package mask holds the pixels of objects as COCO's files do: as run lengths, strings of them,
// and polygons.
//
// A [Mask] is immutable. Its runs go down the columns, from the left to the right, pixels outside
// first. [Parse] and [Mask.String] read and write the string form, [FromCounts] the list of
// numbers, [FromPolygons] fills polygons, [FromPixels] takes and [Mask.Pixels] gives one byte a
// pixel, and [Paste] draws what a mask head answers for a box. All of them give the bits of
// pycocotools (common/maskApi.c) and of mmdetection.
//
// # Errors
//
// Errors wrap [ErrMask]. Masks have at most 64 Mi pixels (2²⁶).
//
// # Stability
//
// The package is young: names may change with a minor version, and the changelog says so.
package mask
