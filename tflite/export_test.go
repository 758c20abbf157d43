package tflite

// Written are the names of the operators that are written.
func Written() (kinds []string) {
	for kind := range translations {
		kinds = append(kinds, kind)
	}
	return kinds
}
