// Package model turns the state dict of a trained RepViT into a graph.
//
// RepViT ("RepViT: Revisiting Mobile CNN From ViT Perspective", CVPR 2024,
// arXiv 2307.09283) is a stem of two strided convolutions, four stages of blocks and one
// or two linear heads. [Build] reads widths, depths, squeeze-and-excitation pattern,
// number of classes and heads off the names and shapes of the tensors alone, so networks
// that were changed before training convert like the published ones, and returns the
// training form: every branch, BatchNorm and head as PyTorch evaluates it in eval mode.
// Package reparam fuses that.
//
// Three namings are understood: the official code's (THU-MIG/RepViT) of both
// generations, timm's, and either with any of its parts already fused. This is the only
// package that knows them. Values of the graph are named after the official module tree
// whichever naming the file has ("features.3.token_mixer.dw"), so that networks from
// different files can be compared value by value; weights keep the file's keys.
package model
