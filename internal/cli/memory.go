package cli

import (
	"runtime"
	"runtime/debug"
)

// firstCollection is how large the heap may grow before the first garbage collection, as a
// percentage of the usual 4 MiB: 64 MiB.
const firstCollection = 1600

// postponeCollection spares commands that are soon done the collections of a heap that is
// only growing. From the first collection on they are as frequent as everywhere.
func postponeCollection() {
	before := debug.SetGCPercent(firstCollection)
	first := new([1]*byte)
	runtime.AddCleanup(first, func(percent int) { debug.SetGCPercent(percent) }, before)
}
