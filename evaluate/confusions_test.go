package evaluate

import (
	"slices"
	"testing"
)

func TestConfusions(t *testing.T) {
	e := Result{Misses: []Miss{
		{Label: 3, Top1: 1, Against: 3}, {Label: -1, Top1: 2, Against: 0}, {Label: 0, Top1: 4, Against: 4},
		{Label: 3, Top1: 1, Against: 1}, {Label: 2, Top1: 2, Against: 5}, {Label: 1, Top1: 3, Against: -1}, {Label: 0, Top1: -1, Against: -1},
	}}
	want := []Confusion{{3, 1, 2}, {0, 4, 1}, {1, 3, 1}, {0, -1, 1}}
	if got := e.Confusions(); !slices.Equal(got, want) {
		t.Errorf("found %v, want %v", got, want)
	}
	if got := (&Result{}).Confusions(); got != nil {
		t.Errorf("no misses give %v", got)
	}
}
