// Package report draws what a conversion, a comparison or an evaluation found as one HTML
// file that can be shown to others.
//
// A command fills a [Data] and calls [Write]. The file begins with the verdict, which is
// one only where there were criteria ([Outcome]), and every
// section whose data is there follows: what a network sees in images, the summary, classes of pixels and
// objects, several models side by side, the network stage by stage, the error of every layer, the ranges of
// weights and activations, the logits of two models against each other, and an evaluation over images.
//
// # The file
//
// It stands alone: style, plots (SVG) and thumbnails (data: URIs) are inside, there is no
// script, and its Content-Security-Policy forbids a browser to load anything. It follows
// the reader's light or dark colour scheme, plots included, and fits a width of 390 pixels;
// what is wider scrolls inside its own box. Nothing is told by colour alone.
//
// Every string is escaped, whatever a file name or a class name contains; control and
// bidirectional formatting characters are shown as U+FFFD, and strings longer than 300
// characters are cut. The same data gives the same bytes.
//
// # Limits
//
// The size of the file is bounded: at most 24 pictures and their labels of at most 96 KiB, 48 thumbnails of at most 24 KiB, 512 blocks,
// 2000 rows in a table, 20 confusions, and plots whose points are thinned to one for each
// half pixel. Where something was left out the file says so.
//
// Plots are drawn by this package and not by gonum.org/v1/plot, whose SVG has fixed colours
// and fonts and which adds 4 ms to the start of every command that links it.
//
// # Stability
//
// Sections and rows may change with any version; what builds a report goes on to compile within a
// major one.
package report
