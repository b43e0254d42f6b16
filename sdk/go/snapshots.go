// SPDX-License-Identifier: Apache-2.0

package microsandbox

/*
#include "bridge.h"
*/
import "C"

import (
	"context"
	"unsafe"
)

// SnapshotArtifact is what is known of a snapshot, as of when it was asked for.
// It holds nothing open.
type SnapshotArtifact struct {
	name, path, digest         string
	size                       uint64
	image, imageDigest         string
	format, fstype             string
	parent, created, integrity string
	source, descriptor         string
	labels                     map[string]string
}

// SnapshotHandle is the same: what is known of a snapshot does not depend on how
// it was come by.
type SnapshotHandle = SnapshotArtifact

// SnapshotCreateOptions say where a snapshot goes: exactly one of Name and Path.
type SnapshotCreateOptions struct {
	Name            string
	Path            string
	Labels          map[string]string
	Force           bool // replace an older one
	RecordIntegrity bool // record a digest of the contents
}

// SnapshotExportOptions say what an archive holds.
type SnapshotExportOptions struct {
	WithParents bool // also those it was made from, as far as they are known
	PlainTar    bool // not compressed
}

// SnapshotVerifyReport is what Verify found.
type SnapshotVerifyReport struct {
	Digest string
	Path   string
	// Upper is "verified", or "not_recorded": there is nothing to compare with.
	Upper string
	// Integrity is the digest of the contents that was recorded.
	Integrity string
}

func newSnapshot(s *C.msb_snapshot_t) *SnapshotArtifact {
	return &SnapshotArtifact{
		name:        C.GoString(C.msb_snapshot_name(s)),
		path:        C.GoString(C.msb_snapshot_path(s)),
		digest:      C.GoString(C.msb_snapshot_digest(s)),
		size:        uint64(C.msb_snapshot_size_bytes(s)),
		image:       C.GoString(C.msb_snapshot_image(s)),
		imageDigest: C.GoString(C.msb_snapshot_image_digest(s)),
		format:      C.GoString(C.msb_snapshot_format(s)),
		fstype:      C.GoString(C.msb_snapshot_fstype(s)),
		parent:      C.GoString(C.msb_snapshot_parent(s)),
		created:     C.GoString(C.msb_snapshot_created_at(s)),
		integrity:   C.GoString(C.msb_snapshot_integrity(s)),
		source:      C.GoString(C.msb_snapshot_source(s)),
		descriptor:  C.GoString(C.msb_snapshot_json(s)),
		labels:      labels(func(i C.size_t) *C.char { return C.msb_snapshot_label(s, i) }),
	}
}

// Name is its name below the home's snapshots; empty: it is elsewhere.
func (s *SnapshotArtifact) Name() string { return s.name }

// Path is its directory.
func (s *SnapshotArtifact) Path() string { return s.path }

// Digest is its identity.
func (s *SnapshotArtifact) Digest() string { return s.digest }

// SizeBytes is the size of what it keeps.
func (s *SnapshotArtifact) SizeBytes() uint64 { return s.size }

// ImageRef is the image it was taken above.
func (s *SnapshotArtifact) ImageRef() string { return s.image }

// ImageManifestDigest is the digest of that image's manifest.
func (s *SnapshotArtifact) ImageManifestDigest() string { return s.imageDigest }

// Format is that of what it keeps.
func (s *SnapshotArtifact) Format() string { return s.format }

// Fstype is the file system in that.
func (s *SnapshotArtifact) Fstype() string { return s.fstype }

// ParentDigest is that of the snapshot its sandbox was made from; empty: none.
func (s *SnapshotArtifact) ParentDigest() string { return s.parent }

// CreatedAt is when it was taken, as RFC 3339.
func (s *SnapshotArtifact) CreatedAt() string { return s.created }

// Labels are its labels.
func (s *SnapshotArtifact) Labels() map[string]string {
	m := make(map[string]string, len(s.labels))
	for key, value := range s.labels {
		m[key] = value
	}
	return m
}

// SourceSandbox is the sandbox it was taken of; empty: not known.
func (s *SnapshotArtifact) SourceSandbox() string { return s.source }

// DescriptorJSON is its descriptor.
func (s *SnapshotArtifact) DescriptorJSON() string { return s.descriptor }

// Open looks it up again.
func (s *SnapshotArtifact) Open(ctx context.Context) (*SnapshotArtifact, error) {
	return Snapshot.Open(ctx, s.path)
}

// Verify reads all of it and compares it with what was recorded.
func (s *SnapshotArtifact) Verify(ctx context.Context) (*SnapshotVerifyReport, error) {
	ptr, err := snapshotOf(ctx, s.path)
	if err != nil {
		return nil, err
	}
	defer C.msb_snapshot_free(ptr)
	rc, err := do(ctx, func(k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_snapshot_verify(k, ptr, e)
	})
	if err != nil {
		return nil, err
	}
	report := &SnapshotVerifyReport{Digest: s.digest, Path: s.path, Upper: "not_recorded", Integrity: s.integrity}
	if rc > 0 {
		report.Upper = "verified"
	}
	return report, nil
}

// Remove removes it; the parent of another one only with force.
func (s *SnapshotArtifact) Remove(ctx context.Context, force bool) error {
	return Snapshot.Remove(ctx, s.path, force)
}

// Snapshot is the snapshots of stopped sandboxes. They are named by a name
// below the home's snapshots, a path, or a digest.
var Snapshot snapshotFactory

type snapshotFactory struct{}

// Create takes a snapshot of a stopped sandbox.
func (snapshotFactory) Create(ctx context.Context, sandbox string, opts SnapshotCreateOptions) (*SnapshotArtifact, error) {
	dest := opts.Name
	if dest == "" {
		dest = opts.Path
	} else if opts.Path != "" {
		return nil, invalidArgument("a snapshot has a name or a path, not both")
	}
	if dest == "" {
		return nil, invalidArgument("a snapshot needs a name or a path")
	}
	var a arena
	defer a.free()
	o := C.msb_snapshot_options_t{struct_size: C.size_t(unsafe.Sizeof(C.msb_snapshot_options_t{}))}
	o.labels, o.nlabels = a.list(pairs(opts.Labels))
	o.force, o.integrity = C.bool(opts.Force), C.bool(opts.RecordIntegrity)
	name, target := a.text(sandbox), a.text(dest)
	return snapshotBy(ctx, &a, func(m *C.msb_t, s **C.msb_snapshot_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_snapshot_create(k, m, name, target, &o, s, e)
	})
}

func snapshotBy(ctx context.Context, a *arena, f func(m *C.msb_t, s **C.msb_snapshot_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t) (*SnapshotArtifact, error) {
	if a.err != nil {
		return nil, a.err
	}
	var ptr *C.msb_snapshot_t
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t { return f(m, &ptr, k, e) })
	if err != nil {
		return nil, err
	}
	defer C.msb_snapshot_free(ptr)
	return newSnapshot(ptr), nil
}

// snapshotOf is to be freed by the caller.
func snapshotOf(ctx context.Context, ref string) (*C.msb_snapshot_t, error) {
	var a arena
	defer a.free()
	text := a.text(ref)
	if a.err != nil {
		return nil, a.err
	}
	var ptr *C.msb_snapshot_t
	_, err := inHome(ctx, func(m *C.msb_t, _ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.int64_t(C.msb_snapshot_get(m, text, &ptr, e))
	})
	return ptr, err
}

// Open looks a snapshot up.
func (snapshotFactory) Open(ctx context.Context, ref string) (*SnapshotArtifact, error) {
	ptr, err := snapshotOf(ctx, ref)
	if err != nil {
		return nil, err
	}
	defer C.msb_snapshot_free(ptr)
	return newSnapshot(ptr), nil
}

// Get is Open.
func (snapshotFactory) Get(ctx context.Context, ref string) (*SnapshotHandle, error) {
	return Snapshot.Open(ctx, ref)
}

// List gives the snapshots that the home knows, the newest first.
func (snapshotFactory) List(ctx context.Context) ([]*SnapshotHandle, error) {
	return snapshotList(ctx, func(m *C.msb_t, list **C.msb_snapshot_list_t, e **C.msb_error_t) C.int {
		return C.msb_snapshot_list(m, list, e)
	})
}

// ListDir gives the snapshots found in a directory, whether the home knows them
// or not.
func (snapshotFactory) ListDir(ctx context.Context, dir string) ([]*SnapshotHandle, error) {
	var a arena
	defer a.free()
	path := a.text(dir)
	if a.err != nil {
		return nil, a.err
	}
	return snapshotList(ctx, func(m *C.msb_t, list **C.msb_snapshot_list_t, e **C.msb_error_t) C.int {
		return C.msb_snapshot_list_dir(m, path, list, e)
	})
}

func snapshotList(ctx context.Context, f func(m *C.msb_t, list **C.msb_snapshot_list_t, e **C.msb_error_t) C.int) ([]*SnapshotHandle, error) {
	var list *C.msb_snapshot_list_t
	_, err := inHome(ctx, func(m *C.msb_t, _ *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.int64_t(f(m, &list, e))
	})
	if err != nil {
		return nil, err
	}
	defer C.msb_snapshot_list_free(list)
	snapshots := make([]*SnapshotArtifact, int(C.msb_snapshot_list_count(list)))
	for i := range snapshots {
		snapshots[i] = newSnapshot(C.msb_snapshot_list_item(list, C.size_t(i)))
	}
	return snapshots, nil
}

// Remove removes a snapshot; the parent of another one only with force.
func (snapshotFactory) Remove(ctx context.Context, ref string, force bool) error {
	var a arena
	defer a.free()
	text := a.text(ref)
	if a.err != nil {
		return a.err
	}
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_snapshot_remove(k, m, text, C.bool(force), e)
	})
	return err
}

// Reindex gets to know the snapshots in a directory (empty: the home's own), and
// gives their number.
func (snapshotFactory) Reindex(ctx context.Context, dir string) (int, error) {
	var a arena
	defer a.free()
	path := a.optional(dir)
	if a.err != nil {
		return 0, a.err
	}
	n, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_snapshot_reindex(k, m, path, e)
	})
	if err != nil {
		return 0, err
	}
	return int(n), nil
}

// Export writes a snapshot into an archive.
func (snapshotFactory) Export(ctx context.Context, ref, out string, opts SnapshotExportOptions) error {
	var a arena
	defer a.free()
	text, path := a.text(ref), a.text(out)
	if a.err != nil {
		return a.err
	}
	_, err := inHome(ctx, func(m *C.msb_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_snapshot_export(k, m, text, path, C.bool(opts.WithParents), C.bool(opts.PlainTar), e)
	})
	return err
}

// Import reads the snapshot of an archive, into dest; empty: a name from its
// digest.
func (snapshotFactory) Import(ctx context.Context, archive, dest string) (*SnapshotHandle, error) {
	var a arena
	defer a.free()
	path, target := a.text(archive), a.optional(dest)
	return snapshotBy(ctx, &a, func(m *C.msb_t, s **C.msb_snapshot_t, k *C.msb_cancel_t, e **C.msb_error_t) C.int64_t {
		return C.gomsb_snapshot_import(k, m, path, target, s, e)
	})
}
