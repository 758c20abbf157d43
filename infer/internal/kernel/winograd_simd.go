//go:build (amd64 || arm64) && !purego

package kernel

import "runtime"

// winograd is Winograd.
func (s *simd) winograd(w *Winograd) {
	set := winogradSet{gemm: s.multiply, in: s.winogradIn, out: s.winogradOut}
	set.run(w)
	runtime.KeepAlive(w)
}

func (s *simd) winogradIn(w *Winograd, values, scratch []float32, tile, row, rows int) {
	n, y, x := w.place(tile)
	ld := Pad(w.W[0].K, Lanes)
	t := &w.tile
	border := address(scratch, WinogradValues*Lanes, WinogradValues*Lanes+ld)
	in := address(w.In.Data, 0, (w.N*w.H*w.Image.W-1)*w.In.LD+ld)
	for i := range winogradSide {
		for j := range winogradSide {
			at := border
			if r := w.input(n, y+i-1, x+j-1); r >= 0 {
				at = in + uintptr(4*r*w.In.LD)
			}
			t.pixels[i*winogradSide+j] = at
		}
	}
	t.values, t.step = address(values, row*ld, ((WinogradValues-1)*rows+row+1)*ld), 4*rows*ld
	t.lines, t.vectors = address(scratch, 0, WinogradValues*Lanes), ld/s.lanes
	s.tileIn(t)
}

func (s *simd) winogradOut(w *Winograd, values, scratch []float32, tile, row, rows int) {
	n, y, x := w.place(tile)
	ld := Pad(w.W[0].N, Lanes)
	t := &w.tile
	beyond := address(scratch, len(scratch)-ld, len(scratch))
	out := address(w.Out.Data, 0, (w.N*w.HO*w.WO-1)*w.Out.LD+ld)
	for i := range winogradStep {
		for j := range winogradStep {
			at := beyond
			if y+i < w.HO && x+j < w.WO {
				at = out + uintptr(4*((n*w.HO+y+i)*w.WO+x+j)*w.Out.LD)
			}
			t.pixels[i*winogradStep+j] = at
		}
	}
	t.values, t.step = address(values, row*ld, ((WinogradValues-1)*rows+row+1)*ld), 4*rows*ld
	t.lines, t.vectors = address(scratch, 0, WinogradValues*Lanes), ld/s.lanes
	t.bias = address(w.Bias, 0, ld)
	var applied bool
	t.low, applied = w.Act.low()
	s.tileOut(t)
	if applied {
		return
	}
	for i := range min(winogradStep, w.HO-y) {
		for j := range min(winogradStep, w.WO-x) {
			s.apply(w.Out.Data[((n*w.HO+y+i)*w.WO+x+j)*w.Out.LD:][:ld], w.Act)
		}
	}
}
