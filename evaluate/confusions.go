package evaluate

// Confusion counts the images of one class that the network took for another.
type Confusion struct {
	Label, Predicted int // classes; Predicted is −1 where the logits are not numbers
	Count            int
}

// Confusions counts the misses of labelled images by class and answer, in the order in which
// each pair first occurs.
func (e *Result) Confusions() []Confusion {
	var all []Confusion
	index := map[[2]int]int{}
	for _, m := range e.Misses {
		if m.Label < 0 || m.Top1 == m.Label {
			continue
		}
		k := [2]int{m.Label, m.Top1}
		i, ok := index[k]
		if !ok {
			i = len(all)
			index[k] = i
			all = append(all, Confusion{Label: m.Label, Predicted: m.Top1})
		}
		all[i].Count++
	}
	return all
}
