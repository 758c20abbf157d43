// Package model turns the state dict of a trained network into a graph.
//
// [Build] reads widths, depths, number of classes and heads off the names and shapes of the
// tensors alone, so networks that were changed before training convert like the published
// ones, and returns the training form: every branch, BatchNorm and head as PyTorch evaluates
// it in eval mode. Package reparam fuses that.
//
// What networks have in common is here: finding them in a state dict, [Builder] with its
// checks of shapes and of what whole modules state, heads, feature maps, metadata. A [Family]
// maps key names to calls of the Builder and nothing else; each is a package below this one
// (model/repvit), and package model/family lists them all. No other package knows key names.
//
// Weights of the graph keep the file's keys; its values are named after their place in the
// network ("features.3.token_mixer.dw") whichever naming the file has, so that networks from
// different files can be compared value by value.
//
// # Stability
//
// Within a major version, what is read stays readable with the same result. Names that only
// packages of families use may change with a minor version.
package model
