package model

// loaded is a weight whose elements are still to be checked.
type loaded struct {
	key    string
	values []float32

	variance bool // which is not negative
}

// check checks that a weight's elements can be computed with.
func (l loaded) check() error {
	for i, v := range l.values {
		if v-v != 0 {
			return &ValueError{l.key, i, float64(v), "a finite number"}
		}
		if l.variance && v < 0 {
			return &ValueError{l.key, i, float64(v), "a variance, which is not negative"}
		}
	}
	return nil
}

// checkAll checks weights. The error is that of the first that is wrong.
func checkAll(weights []loaded) error {
	for _, w := range weights {
		if err := w.check(); err != nil {
			return err
		}
	}
	return nil
}
