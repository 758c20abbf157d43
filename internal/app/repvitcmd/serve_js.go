package repvitcmd

import urfave "github.com/urfave/cli/v2"

// serveCommands are none: a page has no clients, and net/http would be two megabytes of it.
func serveCommands() ([]*urfave.Command, map[string][]string) { return nil, nil }
