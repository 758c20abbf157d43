//go:build !js

package servecmd

import (
	"os"
	"os/signal"
	"syscall"
)

// onHangup sends to c when the process gets SIGHUP.
func onHangup(c chan<- os.Signal) { signal.Notify(c, syscall.SIGHUP) }
