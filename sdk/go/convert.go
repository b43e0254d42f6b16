// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"sort"
	"strings"
	"time"
	"unicode/utf8"
	"unsafe"
)

// An arena owns text handed to one call of the library.
type arena struct {
	held []unsafe.Pointer
	err  error
}

func (a *arena) free() {
	for _, p := range a.held {
		C.free(p)
	}
	a.held = nil
}

// text copies s. A NUL byte would cut it short without a word.
func (a *arena) text(s string) *C.char {
	if strings.IndexByte(s, 0) >= 0 && a.err == nil {
		a.err = invalidArgument("text with a NUL byte")
	}
	p := C.CString(s)
	a.held = append(a.held, unsafe.Pointer(p))
	return p
}

// optional is text, or NULL for an empty one.
func (a *arena) optional(s string) *C.char {
	if s == "" {
		return nil
	}
	return a.text(s)
}

// list is an array of text; NULL when it is empty.
func (a *arena) list(words []string) (**C.char, C.size_t) {
	if len(words) == 0 {
		return nil, 0
	}
	p := C.malloc(C.size_t(len(words)) * C.size_t(unsafe.Sizeof((*C.char)(nil))))
	a.held = append(a.held, p)
	array := unsafe.Slice((**C.char)(p), len(words))
	for i, word := range words {
		array[i] = a.text(word)
	}
	return (**C.char)(p), C.size_t(len(words))
}

// pairs is a map as KEY=VALUE.
func pairs(m map[string]string) []string {
	list := make([]string, 0, len(m))
	for _, key := range sortedKeys(m) {
		list = append(list, key+"="+m[key])
	}
	return list
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for key := range m {
		keys = append(keys, key)
	}
	sort.Strings(keys)
	return keys
}

// labels collects KEY=VALUE until item gives NULL.
func labels(item func(i C.size_t) *C.char) map[string]string {
	m := map[string]string{}
	for i := C.size_t(0); ; i++ {
		text := item(i)
		if text == nil {
			return m
		}
		key, value, _ := strings.Cut(C.GoString(text), "=")
		m[key] = value
	}
}

// bytesOf copies len bytes at p.
func bytesOf(p unsafe.Pointer, n C.size_t) []byte {
	if n == 0 {
		return []byte{}
	}
	return append([]byte(nil), unsafe.Slice((*byte)(p), int(n))...)
}

// pointerTo is where b begins; NULL when it is empty.
func pointerTo(b []byte) *C.uint8_t {
	if len(b) == 0 {
		return nil
	}
	return (*C.uint8_t)(unsafe.Pointer(&b[0]))
}

// takeText copies and frees a char * of the library's.
func takeText(p *C.char) string {
	s := C.GoString(p)
	C.msb_free(unsafe.Pointer(p))
	return s
}

// millis is rounded up, so that little is not nothing.
func millis(d time.Duration) (int64, error) { return units(d, time.Millisecond) }

func seconds(d time.Duration) (int64, error) { return units(d, time.Second) }

func units(d, unit time.Duration) (int64, error) {
	if d < 0 {
		return 0, invalidArgument("a negative duration")
	}
	n := int64(d / unit)
	if d%unit != 0 {
		n++
	}
	return n, nil
}

// at is a time in ms; 0 and what is before: unknown.
func at(ms int64) time.Time {
	if ms <= 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// checkText finds text that JSON cannot carry, and that its encoder would
// change silently.
func checkText(v interface{}) error {
	switch v := v.(type) {
	case string:
		if !utf8.ValidString(v) {
			return invalidArgument("text that is not UTF-8")
		}
	case []string:
		for _, s := range v {
			if err := checkText(s); err != nil {
				return err
			}
		}
	case []interface{}:
		for _, item := range v {
			if err := checkText(item); err != nil {
				return err
			}
		}
	case fields:
		for key, item := range v {
			if err := checkText(key); err != nil {
				return err
			}
			if err := checkText(item); err != nil {
				return err
			}
		}
	}
	return nil
}
