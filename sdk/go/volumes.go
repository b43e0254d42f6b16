// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"runtime/cgo"
	"time"
	"unsafe"
)

// Volume is what is known of a named volume, as of when it was asked for. It
// holds nothing open; its FS does.
type Volume struct {
	name, path string
	disk       bool
	quota      uint64
	capacity   uint64
	used       uint64
	labels     map[string]string
	created    time.Time
}

// VolumeHandle is the same: what is known of a volume does not depend on how it
// was come by.
type VolumeHandle = Volume

// A VolumeOption is one setting of a volume that is to be created.
type VolumeOption func(*volumeConfig)

type volumeConfig struct {
	quota    uint64
	capacity uint64
	labels   map[string]string
}

// WithVolumeQuota sets how much its files may have, in MiB.
func WithVolumeQuota(mib uint64) VolumeOption { return func(c *volumeConfig) { c.quota = mib } }

// WithVolumeDisk makes it a disk of that size in MiB, not a directory.
func WithVolumeDisk(mib uint64) VolumeOption { return func(c *volumeConfig) { c.capacity = mib } }

// WithVolumeLabels adds labels.
func WithVolumeLabels(labels map[string]string) VolumeOption {
	return func(c *volumeConfig) {
		if c.labels == nil {
			c.labels = map[string]string{}
		}
		for key, value := range labels {
			c.labels[key] = value
		}
	}
}

// CreateVolume makes a volume.
func CreateVolume(ctx context.Context, name string, opts ...VolumeOption) (*Volume, error) {
	c := &volumeConfig{}
	for _, opt := range opts {
		opt(c)
	}
	var a arena
	defer a.free()
	o := C.msb_volume_options_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_volume_options_t{}))}
	o.quota_mib = C.uint64_t(c.quota)
	if c.capacity != 0 {
		o.kind = C.MSB_VOLUME_DISK
		o.capacity_mib = C.uint64_t(c.capacity)
	}
	o.labels, o.nlabels = a.list(pairs(c.labels))
	cname := a.text(name)
	return volumeBy(ctx, &a, func(m *C.msb_t, v **C.msb_volume_t, e **C.msb_error_t) C.int {
		return C.msb_volume_create(m, cname, &o, v, e)
	})
}

// GetVolume looks a volume up.
func GetVolume(ctx context.Context, name string) (*VolumeHandle, error) {
	var a arena
	defer a.free()
	cname := a.text(name)
	return volumeBy(ctx, &a, func(m *C.msb_t, v **C.msb_volume_t, e **C.msb_error_t) C.int {
		return C.msb_volume_get(m, cname, v, e)
	})
}

func volumeBy(ctx context.Context, a *arena, f func(m *C.msb_t, v **C.msb_volume_t, e **C.msb_error_t) C.int) (*Volume, error) {
	if a.err != nil {
		return nil, a.err
	}
	var v *C.msb_volume_t
	_, err := inHome(ctx, func(m *C.msb_t, _ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.int64_t(f(m, &v, e))
	})
	if err != nil {
		return nil, err
	}
	defer C.msb_volume_free(v)
	return newVolume(ctx, v)
}

func newVolume(ctx context.Context, v *C.msb_volume_t) (*Volume, error) {
	var used C.uint64_t
	_, err := do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_volume_used_bytes(k, v, &used, e)
	})
	if err != nil {
		return nil, err
	}
	return &Volume{
		name:     C.GoString(C.msb_volume_name(v)),
		path:     C.GoString(C.msb_volume_path(v)),
		disk:     C.msb_volume_kind(v) == C.MSB_VOLUME_DISK,
		quota:    uint64(C.msb_volume_quota_mib(v)),
		capacity: uint64(C.msb_volume_capacity_bytes(v)),
		used:     uint64(used),
		labels:   labels(func(i C.size_t) *C.char { return C.msb_volume_label(v, i) }),
		created:  at(int64(C.msb_volume_created_unix_ms(v))),
	}, nil
}

// ListVolumes gives all volumes, by name.
func ListVolumes(ctx context.Context) ([]*VolumeHandle, error) {
	var list *C.msb_volume_list_t
	_, err := inHome(ctx, func(m *C.msb_t, _ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.int64_t(C.msb_volume_list(m, &list, e))
	})
	if err != nil {
		return nil, err
	}
	defer C.msb_volume_list_free(list)
	volumes := make([]*Volume, int(C.msb_volume_list_count(list)))
	for i := range volumes {
		if volumes[i], err = newVolume(ctx, C.msb_volume_list_item(list, C.size_t(i))); err != nil {
			return nil, err
		}
	}
	return volumes, nil
}

// RemoveVolume removes a volume with all it holds.
func RemoveVolume(ctx context.Context, name string) error {
	var a arena
	defer a.free()
	cname := a.text(name)
	if a.err != nil {
		return a.err
	}
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_volume_remove(k, m, cname, e)
	})
	return err
}

//export gomsbRemoved
func gomsbRemoved(h C.uintptr_t, name *C.char) {
	list := cgo.Handle(h).Value().(*[]string)
	*list = append(*list, C.GoString(name))
}

// PruneVolumes removes every volume that no sandbox is configured with, and
// gives their names.
func PruneVolumes(ctx context.Context) ([]string, error) {
	names := []string{}
	h := cgo.NewHandle(&names)
	defer h.Delete()
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_volume_prune(k, m, C.uintptr_t(h), e)
	})
	return names, err
}

// Name is the volume's name.
func (v *Volume) Name() string { return v.name }

// Path is its directory on the host.
func (v *Volume) Path() string { return v.path }

// IsDisk tells whether it is a disk, not a directory.
func (v *Volume) IsDisk() bool { return v.disk }

// QuotaMiB is how much its files may have; 0: there is no limit.
func (v *Volume) QuotaMiB() uint64 { return v.quota }

// CapacityBytes is the size of a disk; 0: of a directory.
func (v *Volume) CapacityBytes() uint64 { return v.capacity }

// UsedBytes is what its files have.
func (v *Volume) UsedBytes() uint64 { return v.used }

// Labels are its labels.
func (v *Volume) Labels() map[string]string {
	m := make(map[string]string, len(v.labels))
	for key, value := range v.labels {
		m[key] = value
	}
	return m
}

// CreatedAt is when it was made.
func (v *Volume) CreatedAt() time.Time { return v.created }

// Remove is RemoveVolume.
func (v *Volume) Remove(ctx context.Context) error { return RemoveVolume(ctx, v.name) }
