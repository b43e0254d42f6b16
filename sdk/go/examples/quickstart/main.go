// SPDX-License-Identifier: Apache-2.0

// Runs a command in a small virtual machine, collected and streamed, and looks
// at files, logs and metrics of it.
package main

import (
	"context"
	"fmt"
	"log"
	"os"
	"time"

	microsandbox "github.com/superradcompany/microsandbox/sdk/go"
)

func main() {
	if err := run(); err != nil {
		log.Fatal(err)
	}
}

func run() error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()

	sandbox, err := microsandbox.CreateSandbox(ctx, "example-go",
		microsandbox.WithImage("busybox"),
		microsandbox.WithMemory(256),
		microsandbox.WithEnv(map[string]string{"GREETING": "hello"}),
		microsandbox.WithNetwork(microsandbox.NetworkPolicy.None()),
		microsandbox.WithMetricsSampleInterval(100*time.Millisecond),
		microsandbox.WithReplace(),
	)
	if err != nil {
		return err
	}
	defer microsandbox.RemoveSandbox(context.Background(), "example-go")
	defer sandbox.Close()

	out, err := sandbox.Shell(ctx, "echo $GREETING from $(uname -s)", microsandbox.WithExecTimeout(30*time.Second))
	if err != nil {
		return err
	}
	fmt.Printf("exit code %d: %s", out.ExitCode(), out.Stdout())

	if err := sandbox.FS().WriteString(ctx, "/root/numbers", "3\n1\n2\n"); err != nil {
		return err
	}
	if err := stream(ctx, sandbox); err != nil {
		return err
	}
	if _, err := sandbox.Exec(ctx, "no-such-program", nil); !microsandbox.IsKind(err, microsandbox.ErrExecFailed) {
		return fmt.Errorf("a program that is not there: %v", err)
	}
	logs, err := sandbox.LogStream(ctx, microsandbox.LogStreamOptions{Follow: true})
	if err != nil {
		return err
	}
	defer logs.Close()
	entry, err := logs.Recv(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("first logged to %s: %q\n", entry.Source, entry.Text())
	metrics, err := sandbox.MetricsStream(ctx, 100*time.Millisecond)
	if err != nil {
		return err
	}
	defer metrics.Close()
	sample, err := metrics.Recv(ctx)
	if err != nil {
		return err
	}
	fmt.Println("uses memory:", sample.MemoryBytes > 0)
	return nil
}

// stream sorts what it writes to a command, and prints what comes.
func stream(ctx context.Context, sandbox *microsandbox.Sandbox) error {
	command, err := sandbox.ExecStream(ctx, "sort", []string{"-", "/root/numbers"}, microsandbox.WithExecStdinPipe())
	if err != nil {
		return err
	}
	defer command.Close()
	stdin := command.TakeStdin()
	fmt.Fprintln(stdin, "0")
	if err := stdin.Close(); err != nil {
		return err
	}
	for {
		event, err := command.Recv(ctx)
		if err != nil {
			return err
		}
		switch event.Kind {
		case microsandbox.ExecEventStdout:
			os.Stdout.Write(event.Data)
		case microsandbox.ExecEventExited:
			fmt.Println("sort ended with", event.ExitCode)
		case microsandbox.ExecEventDone:
			return nil
		}
	}
}
