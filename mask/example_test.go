package mask_test

import (
	"fmt"
	"log"

	"github.com/repvit-go/repvit/mask"
)

func Example() {
	square, err := mask.FromPolygons(6, 6, [][]float64{{1, 1, 5, 1, 5, 5, 1, 5}})
	if err != nil {
		log.Fatal(err)
	}
	found, err := mask.Paste([]float32{1, 1, 1, 1}, 2, 2, [4]float64{1, 1, 5, 3}, 6, 6)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(square, square.Area(), found.Area(), mask.IoU(found, square, false))
	// Output: 742000005 16 8 0.5
}
