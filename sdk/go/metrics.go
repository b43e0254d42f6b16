// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"runtime/cgo"
	"sync"
	"time"
)

// Metrics is a sample of what a sandbox uses.
type Metrics struct {
	CPUPercent       float64 // over the last interval; 100 is one whole CPU
	CPUTime          time.Duration
	CPUs             uint
	MemoryBytes      uint64 // of the host
	MemoryLimitBytes uint64
	GuestMemoryBytes uint64 // in use, as the guest says; 0: unknown
	DiskReadBytes    uint64 // by the guest
	DiskWriteBytes   uint64
	NetRxBytes       uint64 // of the guest
	NetTxBytes       uint64
	Uptime           time.Duration // when the sample was taken
	StartedAt        time.Time
	Timestamp        time.Time     // when the sample was taken
	Interval         time.Duration // between samples
}

func newMetrics(m *C.msb_metrics_t) *Metrics {
	return &Metrics{
		CPUPercent:       float64(m.cpu_percent),
		CPUTime:          time.Duration(m.cpu_time_us) * time.Microsecond,
		CPUs:             uint(m.cpus),
		MemoryBytes:      uint64(m.memory_bytes),
		MemoryLimitBytes: uint64(m.memory_limit_bytes),
		GuestMemoryBytes: uint64(m.guest_memory_bytes),
		DiskReadBytes:    uint64(m.disk_read_bytes),
		DiskWriteBytes:   uint64(m.disk_write_bytes),
		NetRxBytes:       uint64(m.net_rx_bytes),
		NetTxBytes:       uint64(m.net_tx_bytes),
		Uptime:           time.Duration(m.uptime_ms) * time.Millisecond,
		StartedAt:        at(int64(m.started_unix_ms)),
		Timestamp:        at(int64(m.sampled_unix_ms)),
		Interval:         time.Duration(m.interval_ms) * time.Millisecond,
	}
}

//export gomsbMetrics
func gomsbMetrics(h C.uintptr_t, m *C.msb_metrics_t) C.int {
	cgo.Handle(h).Value().(map[string]*Metrics)[C.GoString(m.name)] = newMetrics(m)
	return 0
}

// AllSandboxMetrics gives the latest sample of every sandbox that runs and has
// one, by name.
func AllSandboxMetrics(ctx context.Context) (map[string]*Metrics, error) {
	all := map[string]*Metrics{}
	h := cgo.NewHandle(all)
	defer h.Delete()
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_metrics_all(k, m, C.uintptr_t(h), e)
	})
	if err != nil {
		return nil, err
	}
	return all, nil
}

// MetricsStream gives a sample every interval.
type MetricsStream struct {
	sandbox *Sandbox
	ticker  *time.Ticker
	first   chan struct{}
	closed  chan struct{}
	once    sync.Once
}

func newMetricsStream(ctx context.Context, interval time.Duration, sandbox *Sandbox) (*MetricsStream, error) {
	if ctx.Err() != nil {
		return nil, cancelled(ctx)
	}
	if interval < 0 {
		return nil, invalidArgument("a negative duration")
	}
	if interval < time.Millisecond {
		interval = time.Millisecond
	}
	m := &MetricsStream{
		sandbox: sandbox,
		ticker:  time.NewTicker(interval),
		first:   make(chan struct{}, 1),
		closed:  make(chan struct{}),
	}
	m.first <- struct{}{}
	return m, nil
}

// Recv waits for the next sample; the first one comes at once. nil without an
// error: the sandbox has ended.
func (m *MetricsStream) Recv(ctx context.Context) (*Metrics, error) {
	for {
		select {
		case <-m.closed:
			return nil, m.gone()
		default:
		}
		select {
		case <-ctx.Done():
			return nil, cancelled(ctx)
		case <-m.closed:
			return nil, m.gone()
		case <-m.first:
		case <-m.ticker.C:
		}
		sample, err := m.sandbox.Metrics(ctx)
		if IsKind(err, ErrSandboxNotFound) {
			return nil, nil
		}
		if !IsKind(err, ErrMetricsUnavailable) {
			return sample, err
		}
		// It has ended, or there is no sample yet.
		if _, ended, err := m.sandbox.wait(ctx, 0); ended || err != nil {
			return nil, err
		}
	}
}

func (m *MetricsStream) gone() error {
	return &Error{Kind: ErrInvalidHandle, Message: "the metrics stream has been closed"}
}

// Close ends the stream.
func (m *MetricsStream) Close() error {
	err := m.gone()
	m.once.Do(func() {
		m.ticker.Stop()
		close(m.closed)
		err = nil
	})
	return err
}
