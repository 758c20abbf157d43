// Package notices holds the licences of all that the commands link. THIRD_PARTY_NOTICES is
// generated.
package notices

import _ "embed"

//go:generate go run ../noticesgen THIRD_PARTY_NOTICES

// Text is what the command licenses prints.
//
//go:embed THIRD_PARTY_NOTICES
var Text string
