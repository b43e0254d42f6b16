// SPDX-License-Identifier: Apache-2.0

package microsandbox

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// TestSandbox boots real ones: with MSB_TEST_HOME, a state directory that has
// the image busybox, or can pull it.
func TestSandbox(t *testing.T) {
	home := os.Getenv("MSB_TEST_HOME")
	if home == "" {
		t.Skip("MSB_TEST_HOME is not set")
	}
	t.Setenv("MSB_HOME", home)
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
	defer cancel()
	name := fmt.Sprintf("go-test-%d", os.Getpid())
	s, err := CreateSandbox(ctx, name, WithImage("busybox"), WithMemory(256), WithMetricsSampleInterval(100*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		f    func(*testing.T, context.Context, *Sandbox)
	}{
		{"exec", testExec},
		{"contexts", testContexts},
		{"close while waiting", testCloseWhileWaiting},
		{"large input", testLargeInput},
		{"many at once", testManyAtOnce},
		{"files", testFiles},
		{"logs", testLogs},
		{"metrics", testMetrics},
		{"agent", testAgent},
	} {
		t.Run(c.name, func(t *testing.T) { c.f(t, ctx, s) })
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := s.Close(); !IsKind(err, ErrInvalidHandle) {
		t.Errorf("closed twice: %v", err)
	}
	if _, err := s.Exec(ctx, "true", nil); !IsKind(err, ErrInvalidHandle) {
		t.Errorf("after Close: %v", err)
	}
	h, err := GetSandbox(ctx, name)
	if err != nil || h.Status() != StatusStopped {
		t.Fatalf("%v %v", h, err)
	}
	t.Run("detached", func(t *testing.T) { testDetached(t, ctx, h) })
	if err := h.Remove(ctx); err != nil {
		t.Error(err)
	}
	openObjects.Lock()
	defer openObjects.Unlock()
	if len(openObjects.n) > 0 {
		t.Errorf("left over: %v", openObjects.n)
	}
}

func testExec(t *testing.T, ctx context.Context, s *Sandbox) {
	out, err := s.Exec(ctx, "sh", []string{"-c", "echo out; echo err >&2; exit 3"})
	if err != nil || out.Stdout() != "out\n" || out.Stderr() != "err\n" || out.ExitCode() != 3 || out.Success() {
		t.Errorf("%+v %v", out, err)
	}
	_, err = s.Exec(ctx, "no-such-program", nil)
	var e *Error
	if !errors.As(err, &e) || e.Kind != ErrExecFailed || e.Details["kind"] != "not_found" {
		t.Errorf("%v", err)
	}
	out, err = s.Shell(ctx, "echo begun; exec sleep 1000", WithExecTimeout(500*time.Millisecond))
	if !IsKind(err, ErrExecTimeout) || out == nil || out.Stdout() != "begun\n" {
		t.Errorf("%+v %v", out, err)
	}
	x, err := s.ExecStream(ctx, "cat", nil, WithExecStdinPipe())
	if err != nil {
		t.Fatal(err)
	}
	stdin := x.TakeStdin()
	if stdin == nil || x.TakeStdin() != nil {
		t.Error("input is there once")
	}
	fmt.Fprint(stdin, "hello")
	if err := stdin.Close(); err != nil {
		t.Error(err)
	}
	out, err = x.Collect(ctx)
	if err != nil || out.Stdout() != "hello" {
		t.Errorf("%+v %v", out, err)
	}
	if code, err := x.Wait(ctx); err != nil || code != 0 {
		t.Errorf("%d %v", code, err)
	}
	if event, err := x.Recv(ctx); err != nil || event.Kind != ExecEventDone {
		t.Errorf("%+v %v", event, err)
	}
	if err := x.Close(); err != nil {
		t.Error(err)
	}
}

func testContexts(t *testing.T, ctx context.Context, s *Sandbox) {
	short, cancel := context.WithTimeout(ctx, 200*time.Millisecond)
	defer cancel()
	_, err := s.Exec(short, "sleep", []string{"1000"})
	if !IsKind(err, ErrCancelled) || !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	x, err := s.ExecStream(ctx, "sleep", []string{"1000"})
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	if event, err := x.Recv(ctx); err != nil || event.Kind != ExecEventStarted || event.PID == 0 {
		t.Errorf("%+v %v", event, err)
	}
	short, cancel = context.WithCancel(ctx)
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := x.Recv(short); !IsKind(err, ErrCancelled) || !errors.Is(err, context.Canceled) {
		t.Errorf("%v", err)
	}
	done := make(chan error)
	go func() {
		code, signal, err := x.WaitStatus(ctx)
		if err == nil && (code != -1 || signal != 9) {
			err = fmt.Errorf("code %d, signal %d", code, signal)
		}
		done <- err
	}()
	if err := x.Kill(ctx); err != nil {
		t.Error(err)
	}
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func testCloseWhileWaiting(t *testing.T, ctx context.Context, s *Sandbox) {
	x, err := s.ExecStream(ctx, "sleep", []string{"1000"})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = x.Recv(ctx)
	done := make(chan error)
	go func() {
		_, err := x.Recv(context.Background())
		done <- err
	}()
	time.Sleep(50 * time.Millisecond)
	if err := x.Close(); err != nil {
		t.Error(err)
	}
	if err := <-done; !IsKind(err, ErrInvalidHandle) {
		t.Errorf("%v", err)
	}
	if out, err := s.Shell(ctx, "while pidof sleep >/dev/null; do :; done"); err != nil || !out.Success() {
		t.Errorf("%v %v", out, err)
	}
}

func testLargeInput(t *testing.T, ctx context.Context, s *Sandbox) {
	data := bytes.Repeat([]byte("0123456789abcdef"), 200000)
	x, err := s.ExecStream(ctx, "cat", nil, WithExecStdinPipe())
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	stdin := x.TakeStdin()
	go func() {
		_, _ = stdin.Write(data)
		_ = stdin.Close()
	}()
	out, err := x.Collect(ctx)
	if err != nil || !bytes.Equal(out.StdoutBytes(), data) {
		t.Errorf("%d bytes came back, %v", len(out.StdoutBytes()), err)
	}
	// Nobody reads it: a context ends the write that waits.
	x, err = s.ExecStream(ctx, "sleep", []string{"1000"}, WithExecStdinPipe())
	if err != nil {
		t.Fatal(err)
	}
	defer x.Close()
	short, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	stdin = x.TakeStdin()
	for err == nil {
		_, err = stdin.WriteCtx(short, data)
	}
	if !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
}

func testManyAtOnce(t *testing.T, ctx context.Context, s *Sandbox) {
	var group sync.WaitGroup
	for i := 0; i < 50; i++ {
		group.Add(1)
		go func(i int) {
			defer group.Done()
			out, err := s.Exec(ctx, "echo", []string{fmt.Sprint(i)})
			if err != nil || out.Stdout() != fmt.Sprintln(i) {
				t.Errorf("%d: %v %v", i, out, err)
			}
		}(i)
	}
	group.Wait()
}

func testFiles(t *testing.T, ctx context.Context, s *Sandbox) {
	files := s.FS()
	data := bytes.Repeat([]byte{0, 1, 2, 255}, 700000)
	w, err := files.WriteStream(ctx, "/root/big")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := w.Write(data); n != len(data) || err != nil {
		t.Errorf("%d %v", n, err)
	}
	if err := w.Close(ctx); err != nil {
		t.Error(err)
	}
	r, err := files.ReadStream(ctx, "/root/big")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if err := r.Close(); err != nil {
		t.Error(err)
	}
	entries, err := files.List(ctx, "/root")
	if err != nil {
		t.Error(err)
	}
	found := false
	for _, e := range entries {
		found = found || e.Name == "big" && e.Path == "/root/big" && e.Size == uint64(len(data)) && !e.ModTime.IsZero()
	}
	if !found {
		t.Errorf("%+v", entries)
	}
	out := t.TempDir() + "/out"
	if err := files.CopyToHost(ctx, "/root/big", out); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(out); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if _, err := files.Read(ctx, "/no/such"); !IsKind(err, ErrPathNotFound) || !errors.Is(err, os.ErrNotExist) {
		t.Errorf("%v", err)
	}
}

func testLogs(t *testing.T, ctx context.Context, s *Sandbox) {
	stream, err := s.LogStream(ctx, LogStreamOptions{Since: time.Now(), Follow: true})
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	if _, err := s.Shell(ctx, "echo logged"); err != nil {
		t.Fatal(err)
	}
	entry, err := stream.Recv(ctx)
	if err != nil || entry.Text() != "logged\n" || entry.Source != LogStdout || entry.Cursor == "" || entry.SessionID == 0 {
		t.Fatalf("%+v %v", entry, err)
	}
	if time.Since(entry.Timestamp) > time.Hour {
		t.Errorf("logged at %v", entry.Timestamp)
	}
	entries, err := s.ReadLogs(ctx, LogOptions{Tail: Tail(1)})
	if err != nil || len(entries) != 1 || entries[0].Text() != "logged\n" {
		t.Errorf("%+v %v", entries, err)
	}
	short, cancel := context.WithTimeout(ctx, 100*time.Millisecond)
	defer cancel()
	if _, err := stream.Recv(short); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("%v", err)
	}
	if _, err := s.LogStream(ctx, LogStreamOptions{FromCursor: "nonsense"}); !IsKind(err, ErrInvalidCursor) {
		t.Errorf("%v", err)
	}
}

func testMetrics(t *testing.T, ctx context.Context, s *Sandbox) {
	stream, err := s.MetricsStream(ctx, 100*time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Close()
	for i := 0; i < 3; i++ {
		m, err := stream.Recv(ctx)
		if err != nil || m.MemoryLimitBytes != 256<<20 || m.Uptime <= 0 || m.Timestamp.IsZero() {
			t.Fatalf("%+v %v", m, err)
		}
	}
	all, err := AllSandboxMetrics(ctx)
	if err != nil || all[s.Name()] == nil || all[s.Name()].Uptime%time.Second == 0 {
		t.Errorf("%+v %v", all[s.Name()], err)
	}
}

func testAgent(t *testing.T, ctx context.Context, s *Sandbox) {
	client, err := ConnectAgentSandbox(ctx, s.Name())
	if err != nil {
		t.Fatal(err)
	}
	first, end := client.IDRange()
	ready, err := client.Ready()
	if err != nil || end <= first || ready.Generation == 0 {
		t.Errorf("%d %d %+v %v", first, end, ready, err)
	}
	body, err := client.ReadyBytes()
	if err != nil {
		t.Error(err)
	}
	if m, err := DecodeAgentMessage(body); err != nil || m.Type != "core.ready" {
		t.Errorf("%+v %v", m, err)
	}
	ping, err := EncodeAgentMessage("core.ping", []byte{0xa0})
	if err != nil {
		t.Fatal(err)
	}
	frame, err := client.Request(ctx, 0, ping)
	if err != nil {
		t.Fatal(err)
	}
	if m, err := DecodeAgentMessage(frame.Body); err != nil || !strings.HasPrefix(m.Type, "core.") {
		t.Errorf("%+v %v", m, err)
	}
	for i := 0; i < 2; i++ {
		if err := client.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := client.Request(ctx, 0, ping); !IsKind(err, ErrAgentClosed) {
		t.Errorf("%v", err)
	}
}

func testDetached(t *testing.T, ctx context.Context, h *SandboxHandle) {
	s, err := h.Start(ctx)
	if err != nil {
		t.Fatal(err)
	}
	if !s.OwnsLifecycleOrFalse() {
		t.Error("what was started is not owned")
	}
	if err := s.Detach(ctx); err != nil {
		t.Error(err)
	}
	s, err = h.ConnectWithTimeout(ctx, 20*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if s.OwnsLifecycleOrFalse() {
		t.Error("what was connected to is owned")
	}
	// Forgotten: the garbage collector closes it, and it runs on.
	x, err := s.ExecStream(ctx, "sleep", []string{"1000"})
	if err != nil {
		t.Fatal(err)
	}
	_, _ = x.Recv(ctx)
	runtime.KeepAlive(x)
	x = nil
	deadline := time.Now().Add(time.Minute)
	for {
		runtime.GC()
		out, err := s.Shell(ctx, "pidof sleep || true")
		if err != nil {
			t.Fatal(err)
		}
		if strings.TrimSpace(out.Stdout()) == "" {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("a command that nobody knows any more goes on")
		}
	}
	if err := s.Close(); err != nil {
		t.Error(err)
	}
	if err := h.Refresh(ctx); err != nil || h.Status() != StatusRunning {
		t.Errorf("%v %v", h.Status(), err)
	}
	if err := h.StopWithTimeout(ctx, 20*time.Second); err != nil {
		t.Error(err)
	}
}
