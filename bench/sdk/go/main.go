// SPDX-License-Identifier: Apache-2.0

// What client.c does, by the Go module.
package main

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"sync"
	"time"

	msb "github.com/superradcompany/microsandbox/sdk/go"
)

var ctx = context.Background()

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func runTrue(s *msb.Sandbox) {
	_, err := s.Exec(ctx, "true", nil)
	check(err)
}

func stream(s *msb.Sandbox, size int) {
	x, err := s.ExecStream(ctx, "head", []string{"-c", strconv.Itoa(size), "/dev/zero"})
	check(err)
	defer x.Close()
	total := 0
	for {
		event, err := x.Recv(ctx)
		check(err)
		if event == nil || event.Kind == msb.ExecEventDone {
			break
		}
		if event.Kind == msb.ExecEventStdout {
			total += len(event.Data)
		}
	}
	if total != size {
		check(fmt.Errorf("%d bytes", total))
	}
}

func many(s *msb.Sandbox, n int) {
	var all sync.WaitGroup
	for i := 0; i < n; i++ {
		all.Add(1)
		go func() {
			defer all.Done()
			runTrue(s)
		}()
	}
	all.Wait()
}

func main() {
	h, err := msb.GetSandbox(ctx, "bench")
	check(err)
	s, err := h.Connect(ctx)
	check(err)
	var what string
	var n int
	for {
		if _, err := fmt.Scan(&what, &n); err != nil {
			return
		}
		start := time.Now()
		switch what {
		case "exec":
			for i := 0; i < n; i++ {
				start = time.Now()
				runTrue(s)
				fmt.Print(time.Since(start).Microseconds(), " ")
			}
			fmt.Println()
			continue
		case "stream":
			stream(s, n)
		case "many":
			many(s, n)
		}
		fmt.Println(time.Since(start).Microseconds())
	}
}
