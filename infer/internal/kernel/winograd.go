package kernel

import "math"

// Winograd describes a dense 3×3 convolution of stride 1 and padding 1 in Winograd's form
// F(2×2, 3×3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016),
// which needs four ninths of the multiplications: tiles of 4×4 pixels of the input and the
// weights of [WinogradWeights] are transformed to 16 values each, the values are multiplied,
// one matrix product for each of them, and the products are transformed to 2×2 pixels of the
// output. Tiles [From, To) are computed, counted over all images row by row.
//
// The transformations only add, and sums over channels are shorter than those over patches, so
// that results are nearer to the exact ones. F(4×4, 3×3) would be faster still, but its errors
// are three to six times as large, and its weights twice as large.
type Winograd struct {
	Image    // of stride 1; the output is as large as the input
	In, Out  Matrix
	W        []*Packed // one for each value, without bias
	Bias     []float32 // Pad(N, Lanes) elements
	Act      Activation
	From, To int
	Scratch  []float32 // at least WinogradScratch elements, one for each concurrent call

	gemm Gemm
	tile winogradTile
}

const (
	winogradStep = 2 // pixels of the output that a tile has in a row
	winogradSide = 4 // pixels of the input

	// WinogradValues is how many values a tile has, and a pair of channels' weights.
	WinogradValues = winogradSide * winogradSide
)

// WinogradPays reports whether a convolution with so many channels of input and output is faster
// this way. With few channels the transformations take too long; with many, weights that are
// twice as large do not stay in a cache, and images of few tiles would wait for memory.
func WinogradPays(in, out int) bool {
	const fewest, most = 64, 4 << 20 // channels, elements of weights
	return in >= fewest && out >= fewest && WinogradValues*in*out <= most
}

// WinogradTiles returns how many tiles images have.
func WinogradTiles(i Image) int {
	return i.N * tilesOf(i.HO) * tilesOf(i.WO)
}

func tilesOf(pixels int) int { return (pixels + winogradStep - 1) / winogradStep }

// WinogradBlock returns how many tiles are worked on at a time, given the channels of input and
// output: so many that each weight is used often once it is in a core's cache, so few that the
// values stay near.
func WinogradBlock(in, out int) int {
	return max(1, winogradFloats/(WinogradValues*(Pad(in, Lanes)+Pad(out, Lanes)))/14) * 14
}

// winogradFloats is how many elements the values of a block may have.
const winogradFloats = 1 << 18

// WinogradScratch returns the scratch memory, in elements, that a [Winograd] needs.
func WinogradScratch(in, out int) int {
	in, out = Pad(in, Lanes), Pad(out, Lanes)
	return WinogradValues*Lanes + (1+WinogradValues*WinogradBlock(in, out))*(in+out)
}

// WinogradWeights transforms the weights of a convolution, N×C×3×3 as in PyTorch and ONNX, to a
// matrix of N×C for each value, for a set to pack.
func WinogradWeights(weight []float32, n, c int) [][]float32 {
	// The values of a polynomial of degree 2 at 0, 1, −1 and infinity, over what makes the
	// products the coefficients of its product with another.
	g := [winogradSide][3]float64{{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}}
	values := make([][]float32, WinogradValues)
	for i := range values {
		values[i] = make([]float32, n*c)
	}
	for k := range n * c {
		w := weight[9*k:][:9]
		for i, row := range g {
			var line [3]float64
			for x := range line {
				line[x] = row[0]*float64(w[x]) + row[1]*float64(w[3+x]) + row[2]*float64(w[6+x])
			}
			for j, column := range g {
				values[i*winogradSide+j][k] = float32(line[0]*column[0] + line[1]*column[1] + line[2]*column[2])
			}
		}
	}
	return values
}

// winogradTile describes a tile's transformation to assembly. Step is in bytes.
type winogradTile struct {
	pixels              [WinogradValues]uintptr // those beyond the border have a place of their own
	values, lines, bias uintptr
	step, vectors       int
	low                 float32
}

// winogradSet is what a set computes of a [Winograd]: products and the transformations of tile
// number tile, whose values are those of row row. Values are matrices of rows tiles.
type winogradSet struct {
	gemm    func(*Gemm)
	in, out func(w *Winograd, values, scratch []float32, tile, row, rows int)
}

func (s *winogradSet) run(w *Winograd) {
	if w.From >= w.To {
		return
	}
	in, out := Pad(w.W[0].K, Lanes), Pad(w.W[0].N, Lanes)
	block := WinogradBlock(in, out)
	scratch, values := w.Scratch[:WinogradValues*Lanes+in+out], w.Scratch[WinogradValues*Lanes+in+out:]
	v, m := values[:WinogradValues*block*in], values[WinogradValues*block*in:][:WinogradValues*block*out]
	clear(scratch) // what is beyond the border is zero
	for from := w.From; from < w.To; from += block {
		rows := min(block, w.To-from)
		for i := range rows {
			s.in(w, v, scratch, from+i, i, rows)
		}
		for k, weights := range w.W {
			w.gemm = Gemm{
				In:  Matrix{Data: v[k*rows*in:][:rows*in], Rows: rows, LD: in},
				Out: Matrix{Data: m[k*rows*out:][:rows*out], Rows: rows, LD: out},
				W:   weights, To: rows,
			}
			s.gemm(&w.gemm)
		}
		for i := range rows {
			s.out(w, m, scratch, from+i, i, rows)
		}
	}
}

// place returns the image of a tile and its first pixel of the output.
func (w *Winograd) place(tile int) (n, y, x int) {
	rows, columns := tilesOf(w.HO), tilesOf(w.WO)
	return tile / (rows * columns), tile / columns % rows * winogradStep, tile % columns * winogradStep
}

// input returns which row of the input is a pixel, -1 for one beyond the border.
func (w *Winograd) input(n, y, x int) int {
	if y < 0 || y >= w.H || x < 0 || x >= w.Image.W {
		return -1
	}
	return (n*w.H+y)*w.Image.W + x
}

// low returns what results are at least, where the activation is such a bound.
func (a Activation) low() (bound float32, ok bool) {
	switch a.Function {
	case relu:
		return 0, true
	case identity:
		return float32(math.Inf(-1)), true
	}
	return float32(math.Inf(-1)), false
}

var winogradPlain = winogradSet{gemm: gemmGeneric, in: winogradInGeneric, out: winogradOutGeneric}

func winogradGeneric(w *Winograd) { winogradPlain.run(w) }

func winogradInGeneric(w *Winograd, values, _ []float32, tile, row, rows int) {
	n, y, x := w.place(tile)
	ld := Pad(w.W[0].K, Lanes)
	transform := func(x [winogradSide]float32) [winogradSide]float32 {
		return [winogradSide]float32{x[0] - x[2], x[1] + x[2], x[2] - x[1], x[3] - x[1]}
	}
	for c := range w.W[0].K {
		var d [winogradSide][winogradSide]float32 // columns
		for j := range d {
			for i := range d[j] {
				if r := w.input(n, y+i-1, x+j-1); r >= 0 {
					d[j][i] = w.In.Data[r*w.In.LD+c]
				}
			}
			d[j] = transform(d[j])
		}
		for i := range winogradSide {
			var line [winogradSide]float32
			for j := range line {
				line[j] = d[j][i]
			}
			for j, v := range transform(line) {
				values[((i*winogradSide+j)*rows+row)*ld+c] = v
			}
		}
	}
}

func winogradOutGeneric(w *Winograd, values, _ []float32, tile, row, rows int) {
	n, y, x := w.place(tile)
	ld := Pad(w.W[0].N, Lanes)
	transform := func(x [winogradSide]float32) [winogradStep]float32 {
		return [winogradStep]float32{x[0] + x[1] + x[2], x[1] - x[2] + x[3]}
	}
	for c := range ld {
		var d [winogradSide][winogradStep]float32 // columns
		for j := range d {
			var column [winogradSide]float32
			for i := range column {
				column[i] = values[((i*winogradSide+j)*rows+row)*ld+c]
			}
			d[j] = transform(column)
		}
		for i := range min(winogradStep, w.HO-y) {
			var line [winogradSide]float32
			for j := range line {
				line[j] = d[j][i]
			}
			for j, v := range transform(line) {
				if x+j < w.WO {
					w.Out.Data[((n*w.HO+y+i)*w.WO+x+j)*w.Out.LD+c] = activate(v+w.Bias[c], w.Act)
				}
			}
		}
	}
}
