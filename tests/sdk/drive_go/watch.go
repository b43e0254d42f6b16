// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"

	msb "github.com/superradcompany/microsandbox/sdk/go"
)

func entryAnswer(e *msb.LogEntry) interface{} {
	return map[string]interface{}{
		"timestamp_ms": instant(e.Timestamp), "source": e.Source, "session": e.SessionID,
		"data": blob(e.Data), "cursor": e.Cursor,
	}
}

type logArgs struct {
	target
	Tail    *uint64
	Since   *float64 `json:"since_ms"`
	Until   *float64 `json:"until_ms"`
	Sources []msb.LogSource
	Cursor  string
	Follow  bool
	As      string
}

func metricsAnswer(m *msb.Metrics) interface{} {
	return map[string]interface{}{
		"cpu_percent": m.CPUPercent, "memory_bytes": m.MemoryBytes, "memory_limit_bytes": m.MemoryLimitBytes,
		"disk_read_bytes": m.DiskReadBytes, "disk_write_bytes": m.DiskWriteBytes,
		"net_rx_bytes": m.NetRxBytes, "net_tx_bytes": m.NetTxBytes,
		"uptime_ms": m.Uptime.Milliseconds(), "timestamp_ms": instant(m.Timestamp),
	}
}

type streamArgs struct {
	Sandbox  string
	Interval int64 `json:"interval_ms"`
	Count    int
}

func metricsStream(d *driver, ctx context.Context, a streamArgs) (interface{}, error) {
	s, err := object[*msb.Sandbox](d, a.Sandbox)
	if err != nil {
		return nil, err
	}
	stream, err := s.MetricsStream(ctx, duration(a.Interval))
	if err != nil {
		return nil, err
	}
	defer stream.Close()
	list := []interface{}{}
	for len(list) < a.Count {
		m, err := stream.Recv(ctx)
		if err != nil {
			return nil, err
		}
		if m == nil {
			break
		}
		list = append(list, metricsAnswer(m))
	}
	return list, nil
}

var watchOps = map[string]operation{
	"logs": op(func(d *driver, ctx context.Context, a logArgs) (interface{}, error) {
		s, err := a.find(ctx, d)
		if err != nil {
			return nil, err
		}
		entries, err := s.ReadLogs(ctx, msb.LogOptions{
			Tail: a.Tail, Since: fromInstant(a.Since), Until: fromInstant(a.Until), Sources: a.Sources,
		})
		list := []interface{}{}
		for i := range entries {
			list = append(list, entryAnswer(&entries[i]))
		}
		return list, err
	}),
	"log_open": op(func(d *driver, ctx context.Context, a logArgs) (interface{}, error) {
		s, err := a.find(ctx, d)
		if err != nil {
			return nil, err
		}
		stream, err := s.LogStream(ctx, msb.LogStreamOptions{
			Sources: a.Sources, Since: fromInstant(a.Since), Until: fromInstant(a.Until), FromCursor: a.Cursor, Follow: a.Follow,
		})
		if err != nil {
			return nil, err
		}
		d.keep(a.As, stream)
		return nil, nil
	}),
	"log_next": op(func(d *driver, ctx context.Context, a struct{ Log string }) (interface{}, error) {
		stream, err := object[*msb.LogStreamHandle](d, a.Log)
		if err != nil {
			return nil, err
		}
		entry, err := stream.Recv(ctx)
		if err != nil || entry == nil {
			return nil, err
		}
		return entryAnswer(entry), nil
	}),
	"metrics": op(func(d *driver, ctx context.Context, a target) (interface{}, error) {
		s, err := a.find(ctx, d)
		if err != nil {
			return nil, err
		}
		m, err := s.Metrics(ctx)
		if err != nil {
			return nil, err
		}
		return metricsAnswer(m), nil
	}),
	"metrics_all": op(func(_ *driver, ctx context.Context, _ none) (interface{}, error) {
		all, err := msb.AllSandboxMetrics(ctx)
		answer := map[string]interface{}{}
		for name, m := range all {
			answer[name] = metricsAnswer(m)
		}
		return answer, err
	}),
	"metrics_stream": op(metricsStream),
}
