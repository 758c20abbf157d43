// Hostilegen writes testdata/hostile: small checkpoints, each with one thing wrong that a
// stranger might do to a reader, and expected.txt, which says what the reader must answer.
//
//	go run ./internal/hostilegen testdata/hostile
package main

import (
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
)

// attack is a file and a part of the error that it must cause.
type attack struct {
	name string
	data []byte
	want string
}

func main() {
	log.SetFlags(0)
	if len(os.Args) != 2 {
		log.Fatal("usage: hostilegen DIR")
	}
	dir := os.Args[1]
	var table strings.Builder
	for _, list := range [][]attack{containers(), pickles(), tensors(), legacy(), safetensors(), networks()} {
		for _, a := range list {
			if err := os.WriteFile(filepath.Join(dir, a.name), a.data, 0o644); err != nil {
				log.Fatal(err)
			}
			fmt.Fprintf(&table, "%s\t%s\n", a.name, a.want)
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "expected.txt"), []byte(table.String()), 0o644); err != nil {
		log.Fatal(err)
	}
}
