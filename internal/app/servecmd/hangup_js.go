package servecmd

import "os"

// onHangup does nothing: there is no such signal.
func onHangup(chan<- os.Signal) {}
