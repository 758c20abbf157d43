// Package torchtest writes checkpoint files byte by byte, as torch.save would and as it
// never would: tests and the generator of hostile files need both.
package torchtest
