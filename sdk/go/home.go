// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#cgo pkg-config: microsandbox
#include "bridge.h"
*/
import "C"

import (
	"context"
	"os"
	"sync"
)

// Homes that have been opened, by the value of MSB_HOME. They stay open: there
// is hardly more than one, and everything else comes from them.
var homes struct {
	sync.Mutex
	open map[string]*C.msb_t
}

// home is the state directory: $MSB_HOME, or ~/.microsandbox.
func home() (*C.msb_t, error) {
	key := os.Getenv("MSB_HOME")
	homes.Lock()
	defer homes.Unlock()
	if m := homes.open[key]; m != nil {
		return m, nil
	}
	var a arena
	defer a.free()
	var m *C.msb_t
	path := a.optional(key)
	_, err := do(context.Background(), func(_ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.int64_t(C.msb_open(path, &m, e))
	})
	if err != nil {
		return nil, err
	}
	if homes.open == nil {
		homes.open = map[string]*C.msb_t{}
	}
	homes.open[key] = m
	return m, nil
}

// inHome runs f with the home directory.
func inHome(ctx context.Context, f func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t) (int64, error) {
	m, err := home()
	if err != nil {
		return -1, err
	}
	return do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t { return f(m, k, e) })
}
