package kernel

import "math"

// Winograd describes a dense 3×3 convolution of stride 1 and padding 1 in Winograd's form
// F(4×4, 3×3) (Lavin and Gray, "Fast Algorithms for Convolutional Neural Networks", 2016),
// which needs a quarter of the multiplications: tiles of 6×6 pixels of the input and the
// weights of [WinogradWeights] are transformed to 36 values each, the values are multiplied,
// one matrix product for each of them, and the products are transformed to 4×4 pixels of the
// output. Tiles [From, To) are computed, counted over all images row by row.
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
	winogradStep = 4 // pixels of the output that a tile has in a row
	winogradSide = 6 // pixels of the input

	// WinogradValues is how many values a tile has, and a pair of channels' weights.
	WinogradValues = winogradSide * winogradSide
)

// WinogradPays reports whether a convolution with so many channels of input and output is faster
// this way. With few channels the transformations take too long, and rounding is not made up
// for by the shorter sums; with many, weights that are four times as large do not stay in a
// cache, and images of few tiles would wait for memory.
func WinogradPays(in, out int) bool {
	const fewest, most = 64, 4 << 20 // channels, elements of weights
	return in >= fewest && out >= fewest && WinogradValues*in*out <= most
}

// The points at which polynomials are evaluated are 0, ±a, ±b and infinity. With these, whose
// powers and products are exact, rounding costs twice what it costs a sum over patches; with
// the usual 1 and 2 it costs eight times as much.
const (
	winogradA = 0.625
	winogradB = 1.5
)

// Constants of the transformations, in the order in which assembly keeps them.
var (
	winogradInConstants  = [6]float32{winogradA, winogradB, winogradA * winogradA, winogradB * winogradB, winogradA*winogradA + winogradB*winogradB, winogradA * winogradA * winogradB * winogradB}
	winogradOutConstants = [6]float32{winogradA, winogradB, winogradA * winogradA, winogradB * winogradB, winogradA * winogradA * winogradA, winogradB * winogradB * winogradB}
)

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
const winogradFloats = 1 << 19

// WinogradScratch returns the scratch memory, in elements, that a [Winograd] needs.
func WinogradScratch(in, out int) int {
	in, out = Pad(in, Lanes), Pad(out, Lanes)
	return WinogradValues*Lanes + (1+WinogradValues*WinogradBlock(in, out))*(in+out)
}

// WinogradWeights transforms the weights of a convolution, N×C×3×3 as in PyTorch and ONNX, to a
// matrix of N×C for each value, for a set to pack.
func WinogradWeights(weight []float32, n, c int) [][]float32 {
	// Row i of G is (1, p, p²) of point p over the product of its differences to the others.
	points := []float64{0, winogradA, -winogradA, winogradB, -winogradB}
	var g [winogradSide][3]float64
	for i, p := range points {
		scale := 1.0
		for j, q := range points {
			if j != i {
				scale *= p - q
			}
		}
		g[i] = [3]float64{1 / scale, p / scale, p * p / scale}
	}
	g[winogradSide-1] = [3]float64{0, 0, 1}
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
	pixels                        [WinogradValues]uintptr // those beyond the border have a place of their own
	values, lines, bias, constant uintptr
	step, vectors                 int
	low                           float32
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
	const a, b = float32(winogradA), float32(winogradB)
	n, y, x := w.place(tile)
	ld := Pad(w.W[0].K, Lanes)
	transform := func(x [winogradSide]float32) [winogradSide]float32 {
		even, odd := [2]float32{x[4] - b*b*x[2], x[4] - a*a*x[2]}, [2]float32{a * (x[3] - b*b*x[1]), b * (x[3] - a*a*x[1])}
		return [winogradSide]float32{
			a*a*b*b*x[0] - (a*a+b*b)*x[2] + x[4],
			even[0] + odd[0], even[0] - odd[0], even[1] + odd[1], even[1] - odd[1],
			a*a*b*b*x[1] - (a*a+b*b)*x[3] + x[5],
		}
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
	const a, b = float32(winogradA), float32(winogradB)
	n, y, x := w.place(tile)
	ld := Pad(w.W[0].N, Lanes)
	transform := func(x [winogradSide]float32) [winogradStep]float32 {
		even, odd := [2]float32{x[1] + x[2], x[3] + x[4]}, [2]float32{x[1] - x[2], x[3] - x[4]}
		return [winogradStep]float32{x[0] + even[0] + even[1], a*odd[0] + b*odd[1], a*a*even[0] + b*b*even[1], x[5] + a*a*a*odd[0] + b*b*b*odd[1]}
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
